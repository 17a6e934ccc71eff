"""Table 2 with our numbers: the judged table, the memory under every definition, and the floor below every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, as_ratio, in_bytes, in_large_count, in_seconds
from segbench.present.judged import JudgedCell, JudgedTable
from segbench.present.table import Cell, Table
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import Judgement, OursAndPaper, judge
from segbench.studies.judging import Obstacle, judged_cells, order_of
from segbench.studies.published import published_reference, raw_value
from segbench.studies.readings import Reading, reading
from segbench.studies.reasons import HALF_A_MILLISECOND, V100_FLOPS, WINOGRAD_SAVES
from segbench.studies.study import Column
from segbench.studies.table2 import DEFINITIONS, LARGEST_BATCH_CONDITIONS, OURS, TABLE2_COLUMNS, TABLE2_ROWS

_MODES = {"train": ("training", "train_memory"), "infer": ("test", "infer_memory")}


def table2(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> JudgedTable:
    """The paper's six rows with verdicts, ours and the rival below without."""
    models = [*TABLE2_ROWS, *OURS]
    cells: dict[tuple[str, str], JudgedCell] = {}
    orders: dict[str, Judgement] = {}
    for column in TABLE2_COLUMNS:
        found = judged_cells(entries, cards, models, column, obstacle_of(column, entries), judged=list(TABLE2_ROWS))
        cells |= {(name, column.name): cell for name, cell in found.items()}
        orders[column.name] = _order({name: found[name] for name in TABLE2_ROWS})
    notes = [
        "beside each number: its ratio to HRNetV2; paper: SegNode, Table 2, NVIDIA Tesla V100 32GB, CamVid at 480x360",
        "SegNode's row is solved as the paper solved it (segnode-paper: dopri5, adjoint); the rows below it are ours "
        "and get no verdict",
        "order: Kendall's tau between our values and the paper's over the six networks",
    ]
    headings = {column.name: column.title for column in TABLE2_COLUMNS}
    return JudgedTable("table2", "Table 2 beside ours", {**TABLE2_ROWS, **OURS}, headings, cells, orders, notes)


def obstacle_of(column: Column, entries: Sequence[Entry]) -> Obstacle:
    """What stands in the way of a verdict: a smaller GPU, times of another kind of device, another batch's epoch."""

    def obstacle(ours: Reading) -> str | None:
        if not column.timed:
            return _smaller_gpu(ours) if column.name == "max_batch" else None
        if ours.method != "measured:cuda":
            return f"timed on {ours.device_name}; the paper's is a V100's"
        largest = reading(entries, ours.entry.model, "max_batch", LARGEST_BATCH_CONDITIONS)
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


def _order(cells: Mapping[str, JudgedCell]) -> Judgement:
    """Of the column; where no cell can be compared neither can the order."""
    found = order_of(cells).judgement
    verdicts = {cell.judgement.verdict for cell in cells.values() if cell.judgement and cell.value is not None}
    return Judgement("not comparable", found.why) if verdicts == {"not comparable"} else found


def memory_definitions(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """For each mode the ratio to HRNetV2 under every definition of a peak, and the verdict it would get."""
    tables = []
    for mode, (title, name) in _MODES.items():
        column = next(column for column in TABLE2_COLUMNS if column.name == name)
        rows = [
            [Cell(label), *_definitions(entries, cards, model, mode, column)]
            for model, label in {**TABLE2_ROWS, **OURS}.items()
        ]
        if any(cell.value is not None for row in rows for cell in row[1:-1]):
            tables.append(
                Table(
                    f"memory_definitions_{mode}",
                    f"{title.capitalize()} memory under every definition, ratio to HRNetV2",
                    ["network", *DEFINITIONS, "paper"],
                    rows,
                    [_DEFINED],
                )
            )
    return tables


_DEFINED = (
    "live: tensors alive at once; allocated: after the allocator's rounding; reserved: segments it holds; process: "
    "those and the CUDA context. The paper does not say which it read; Table 2's verdicts are on reserved"
)


def _definitions(
    entries: Sequence[Entry], cards: Mapping[str, ModelCard], name: str, mode: str, column: Column
) -> list[Cell]:
    paper, reference = (published_reference(cards[item], column.quantity) for item in (name, REFERENCE_MODEL))
    theirs = (raw_value(paper) if paper else None, raw_value(reference) if reference else None)
    cells = []
    for kind in DEFINITIONS:
        quantity = f"{mode}_peak_{kind}_bytes"
        ours, rival = (reading(entries, item, quantity, column.conditions) for item in (name, REFERENCE_MODEL))
        pair = OursAndPaper(ours.value if ours else None, theirs[0], rival.value if rival else None, theirs[1])
        cells.append(_definition(pair, judged=name in TABLE2_ROWS and name != REFERENCE_MODEL))
    if name not in TABLE2_ROWS:
        return [*cells, Cell(MISSING)]
    return [*cells, Cell(as_ratio(*theirs), OursAndPaper(None, theirs[0], None, theirs[1]).paper_ratio)]


def _definition(pair: OursAndPaper, judged: bool) -> Cell:
    if pair.our_ratio is None:
        return Cell(MISSING)
    found = judge("ratio", pair)
    if not judged:
        return Cell(f"{pair.our_ratio:.2f}", pair.our_ratio)
    return Cell(f"{pair.our_ratio:.2f}", pair.our_ratio, f"{found.verdict}: {found.why}", found.verdict)


def time_floors(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Table | None:
    """Below what no V100 in fp32 can be, by our count of operations; and what the paper prints."""
    rows = []
    for name, label in TABLE2_ROWS.items():
        macs = reading(entries, name, "macs", {"width": 480, "height": 360})
        paper = published_reference(cards[name], "latency_s")
        if macs is None or paper is None:
            continue
        floor, printed = 2 * macs.value / V100_FLOPS, raw_value(paper)
        best = floor / WINOGRAD_SAVES
        most = printed + HALF_A_MILLISECOND
        said = "impossible" if most < best else "only by Winograd" if most < floor else "possible"
        rows.append(
            [
                Cell(label),
                Cell(in_large_count(macs.value), macs.value),
                Cell(in_seconds(floor), floor),
                Cell(in_seconds(best), best),
                Cell(in_seconds(printed), printed),
                Cell(said),
            ]
        )
    if not rows:
        return None
    columns = ["network", "MACs", "at peak", "and all Winograd", "paper", "the paper's time is"]
    notes = [
        f"at peak: 2 FLOPs a MAC at the V100's {V100_FLOPS / 1e12:g} TFLOPS; and all Winograd: a quarter of the "
        "multiplications in every layer, F(4x4, 3x3), no memory traffic; the paper prints whole milliseconds"
    ]
    return Table("time_floors", "The least time of one image on a V100 in fp32", columns, rows, notes)
