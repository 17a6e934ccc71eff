"""Table 2 with our numbers: the judged table, the memory under every definition, and the lower bound of every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import in_bytes
from segbench.present.formats import LARGE_COUNT, RATIO, SECONDS, plain
from segbench.present.table import Cell, Column, Columns, Rows, Table, keyed, table_of
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import Judgement, OursAndPaper, judge
from segbench.studies.judging import Obstacle, judged_cells, order_of
from segbench.studies.published import published_reference, raw_value
from segbench.studies.readings import Reading, Readings, assumed_throughout
from segbench.studies.reasons import HALF_A_MILLISECOND, V100_FLOPS, WINOGRAD_SAVES
from segbench.studies.study import PaperColumn
from segbench.studies.table2 import DEFINITIONS, LARGEST_BATCH_CONDITIONS, OURS, TABLE2_COLUMNS, TABLE2_ROWS

_ASSUMED_NAMES = {"assume_torch": "torch", "workspaces": "cuDNN's workspaces:"}
_MODES = {"train": ("training", "train_memory"), "infer": ("inference", "infer_memory")}


def table2(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Table:
    """The paper's six rows with verdicts, ours and the checkpointed reference model below without."""
    models, assumed, readings = [*TABLE2_ROWS, *OURS], assumed_throughout(entries), Readings(entries)
    found = [
        judged_cells(readings, cards, models, column, obstacle_of(column, readings), judged=list(TABLE2_ROWS))
        for column in TABLE2_COLUMNS
    ]
    rows = [[first, *(cells[name] for cells in found)] for name, first in keyed({**TABLE2_ROWS, **OURS}).items()]
    footer = [Cell("order"), *(_order({name: cells[name] for name in TABLE2_ROWS}) for cells in found)]
    notes = [
        "beside each number: its ratio to HRNetV2; paper: SegNode, Table 2, NVIDIA Tesla V100 32GB, CamVid at 480x360",
        "SegNode's row is solved as the paper solved it (segnode-paper: dopri5, adjoint); the rows below it are ours "
        "and get no verdict",
        "order: Kendall's tau between our values and the paper's over the six networks",
        *(f"every prediction assumes {_ASSUMED_NAMES[name]} {value}" for name, value in assumed.items()),
    ]
    columns = [Column(""), *(Column(column.title, name=column.name) for column in TABLE2_COLUMNS)]
    return Table("Table 2 beside ours", columns, rows, notes, "table2", footer)


def obstacle_of(column: PaperColumn, readings: Readings) -> Obstacle:
    """What stands in the way of a verdict: a smaller GPU, times of another kind of device, another batch's epoch."""

    def obstacle(ours: Reading) -> str | None:
        if not column.timed:
            return _smaller_gpu(ours) if column.name == "max_batch" else None
        if ours.method != "measured:cuda":
            return f"timed on {ours.device_name}; the paper's is a V100's"
        largest = readings.best(ours.entry.model, "max_batch", LARGEST_BATCH_CONDITIONS)
        batch = ours.entry.case.batch_size
        if column.name == "epoch_time" and largest is not None and batch != largest.value:
            return f"timed at batch {batch}; the paper's is at the largest batch, here {largest.value:g}"
        return None

    return obstacle


def _smaller_gpu(ours: Reading) -> str | None:
    """A search on a GPU with less than the budget found that GPU's largest batch."""
    environment, budget = ours.entry.environment, ours.entry.case.budget_bytes
    memory = environment.device_memory_bytes if environment and ours.method == "measured:cuda" else None
    if memory is None or budget is None or memory >= budget:
        return None
    return f"searched on {ours.device_name}, which has {in_bytes(memory)} of the budget's {in_bytes(budget)}"


def _order(cells: Mapping[str, Cell]) -> Cell:
    """Of the column; where no cell can be compared neither can the order."""
    found = order_of(cells)
    verdicts = {cell.verdict for cell in cells.values() if cell.judgement and cell.value is not None}
    incomparable = verdicts == {"not comparable"} and found.tau is not None
    judgement = Judgement("not comparable", found.judgement.why) if incomparable else found.judgement
    return Cell(found.tau, _TAU, judgement=judgement)


_TAU = plain("tau {:+.2f}")


def memory_definitions(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """For each mode the ratio to HRNetV2 under every definition of a peak, and the verdict it would get."""
    tables, readings = [], Readings(entries)
    for mode, (title, name) in _MODES.items():
        column = next(column for column in TABLE2_COLUMNS if column.name == name)
        rows = [
            [first, *_definitions(readings, cards, model, mode, column)]
            for model, first in keyed({**TABLE2_ROWS, **OURS}).items()
        ]
        if any(cell.value is not None for row in rows for cell in row[1:-1]):
            heading = f"{title.capitalize()} memory under every definition, ratio to HRNetV2"
            columns: Columns = ["network", *(Column(name, RATIO) for name in (*DEFINITIONS, "paper"))]
            tables.append(table_of(heading, columns, rows, [_DEFINED], name=f"memory_definitions_{mode}"))
    return tables


_DEFINED = (
    "live: tensors alive at once; allocated: after the allocator's rounding; reserved: segments it holds; process: "
    "those and the CUDA context. The paper does not say which it reports; Table 2's verdicts are on reserved"
)


def _definitions(
    readings: Readings, cards: Mapping[str, ModelCard], name: str, mode: str, column: PaperColumn
) -> list[Cell]:
    paper, reference = (published_reference(cards[item], column.quantity) for item in (name, REFERENCE_MODEL))
    theirs = (raw_value(paper) if paper else None, raw_value(reference) if reference else None)
    cells = []
    for kind in DEFINITIONS:
        quantity = f"{mode}_peak_{kind}_bytes"
        ours, other = (readings.best(item, quantity, column.conditions) for item in (name, REFERENCE_MODEL))
        pair = OursAndPaper(ours.value if ours else None, theirs[0], other.value if other else None, theirs[1])
        cells.append(_definition(pair, judged=name in TABLE2_ROWS and name != REFERENCE_MODEL))
    return [*cells, Cell(OursAndPaper(None, theirs[0], None, theirs[1]).paper_ratio if name in TABLE2_ROWS else None)]


def _definition(pair: OursAndPaper, judged: bool) -> Cell:
    known = judged and pair.our_ratio is not None
    return Cell(pair.our_ratio, judgement=judge("ratio", pair) if known else None)


def time_floors(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Table | None:
    """Below what no V100 in fp32 can be, by our count of operations; and what the paper prints."""
    rows: Rows = []
    readings = Readings(entries)
    for name, label in TABLE2_ROWS.items():
        macs = readings.best(name, "macs", {"width": 480, "height": 360})
        paper = published_reference(cards[name], "latency_s")
        if macs is None or paper is None:
            continue
        floor, printed = 2 * macs.value / V100_FLOPS, raw_value(paper)
        best = floor / WINOGRAD_SAVES
        most = printed + HALF_A_MILLISECOND
        said = "impossible" if most < best else "only by Winograd" if most < floor else "possible"
        rows.append([Cell(name, label=label), macs.value, floor, best, printed, said])
    if not rows:
        return None
    times = (Column(name, SECONDS) for name in ("at peak", "all Winograd", "paper"))
    columns: Columns = ["network", Column("MACs", LARGE_COUNT), *times, "the paper's time is"]
    notes = [
        f"at peak: 2 FLOPs per MAC at the V100's {V100_FLOPS / 1e12:g} TFLOPS; all Winograd: a quarter of the "
        "multiplications in every layer, F(4x4, 3x3), no memory traffic; the paper prints whole milliseconds"
    ]
    return table_of("Lower bounds of the latency on a V100 in fp32", columns, rows, notes, name="time_floors")
