"""Predicted beside measured: how well a prediction of memory, or of the largest batch, agrees with a GPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from segbench.present.amounts import in_bytes, in_percent, ratio_of
from segbench.present.formats import BYTES, NUMBER, Value, plain
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Rows, Table, table_of
from segbench.present.values import measured, value_of
from segbench.records.ledger import Entry

GOALS = {"allocated": 0.01, "reserved": 0.05}
"""Kind of peak -> the relative difference that is aimed at."""
MOST_TRIES = 4
"""Processes that a search on the GPU is to need at most."""
_KINDS = (*GOALS, "process")
_MODES = {"train": "training", "infer": "inference"}
_RATIO = plain("{:.4f}")


@dataclass(frozen=True)
class _Pair:
    """One question, answered without a GPU and on one."""

    predicted: Entry
    real: Entry

    @property
    def mode(self) -> str:
        return self.real.case.modes[0]

    @property
    def conditions(self) -> str:
        case = self.real.case
        batch = case.batch_size if self.mode == "train" else case.infer_batch
        optimizer = [case.optimizer] if case.optimizer else []
        return ", ".join([_MODES[self.mode], f"batch {batch}", case.precision, *case.switches, *optimizer])

    def ratio(self, kind: str) -> float | None:
        name = f"{self.mode}_peak_{kind}_bytes"
        return ratio_of(value_of(self.predicted, name), value_of(self.real, name))


def agreement_tables(entries: Sequence[Entry]) -> list[Table]:
    """One table of memory and one of largest batches; none where nothing was measured on a GPU."""
    memory = list(_pairs(entries, "predict", "memory"))
    largest = list(_pairs(entries, "max_batch", "max_batch"))
    return [*([_memory_table(memory)] if memory else []), *([_largest_table(largest)] if largest else [])]


def _pairs(entries: Sequence[Entry], predicting: str, measuring: str) -> Iterator[_Pair]:
    """Of each case that was answered on CUDA, the newest prediction under the same conditions."""
    told = {_question(entry): entry for entry in entries if _is(entry, predicting, on_cuda=False)}
    for entry in entries:
        if _is(entry, measuring, on_cuda=True) and _question(entry) in told:
            yield _Pair(told[_question(entry)], entry)


def _is(entry: Entry, task: str, on_cuda: bool) -> bool:
    device = entry.case.device
    place = device.startswith("cuda") if on_cuda else device == "none"
    return place and entry.case.task == task and entry.outcome == "ok" and len(entry.case.modes) == 1


def _question(entry: Entry) -> str:
    """What both were asked: the case without what only one of them has."""
    case = replace(entry.case, task="predict", device="none", options=None, warmup=0, seed=0, threads=None)
    return json.dumps([entry.model, entry.card_hash, replace(case, data_root=None).to_json()], sort_keys=True)


def _memory_table(pairs: Sequence[_Pair]) -> Table:
    columns: Columns = ["\nnetwork", Column("\nconditions", left=True)]
    for kind in _KINDS:
        columns += [
            Column(f"{kind}\npredicted", BYTES),
            Column("\nmeasured", BYTES, f"{kind} measured"),
            Column("\nratio", _RATIO, f"{kind} ratio"),
        ]
    rows = [[pair.real.model, pair.conditions, *_memory_cells(pair)] for pair in pairs]
    notes = [_provenance(pairs), *(_verdict(kind, pairs) for kind in GOALS), *_context(pairs), _ABOUT]
    return table_of("Peak memory, predicted beside measured", columns, rows, notes, name="predicted_beside_measured")


_ABOUT = (
    "ratio: predicted to measured; cuDNN's workspaces are predicted as V100s' published peaks have them, unless the "
    "prediction was told otherwise, and other GPUs may take others"
)


def _memory_cells(pair: _Pair) -> list[Value | Cell]:
    cells: list[Value | Cell] = []
    for kind in _KINDS:
        name = f"{pair.mode}_peak_{kind}_bytes"
        cells += [_cell(pair.predicted, name), _cell(pair.real, name), pair.ratio(kind)]
    return cells


def _cell(entry: Entry, name: str) -> Cell:
    item = measured(entry, name)
    return Cell(item.value, BYTES, quantity=name, method=item.method) if item else Cell()


def _verdict(kind: str, pairs: Sequence[_Pair]) -> str:
    """How many are as near as is aimed at, and the one that is farthest."""
    off = [(abs(ratio - 1), pair) for pair in pairs if (ratio := pair.ratio(kind)) is not None]
    if not off:
        return f"{kind}: nothing was measured"
    within = sum(value <= GOALS[kind] for value, _ in off)
    most, worst = max(off, key=lambda item: item[0])
    farthest = f"farthest {in_percent(most)}: {worst.real.model}, {worst.conditions}"
    return f"{kind}: {within} of {len(off)} within the goal of {in_percent(GOALS[kind])}; {farthest}"


def _context(pairs: Sequence[_Pair]) -> list[str]:
    """What the processes held outside the allocator, beside what was assumed."""
    assumed = [value for pair in pairs if (value := _outside(pair.predicted)) is not None]
    found = [value for pair in pairs if (value := _outside(pair.real)) is not None]
    if not found or not assumed:
        return []
    return [f"context: {in_bytes(min(found))} to {in_bytes(max(found))} measured, {in_bytes(max(assumed))} assumed"]


def _outside(entry: Entry) -> float | None:
    """Bytes of the process that the allocator had not reserved."""
    process, reserved = (
        value_of(entry, f"{entry.case.modes[0]}_peak_{kind}_bytes") for kind in ("process", "reserved")
    )
    return None if process is None or reserved is None else process - reserved


def _largest_table(pairs: Sequence[_Pair]) -> Table:
    numbers = [Column(name, NUMBER) for name in ("predicted", "proven", "does not fit", "tries")]
    columns: Columns = ["network", "mode", *numbers]
    rows: Rows = [
        [
            pair.real.model,
            _MODES[pair.mode],
            value_of(pair.predicted, "max_batch"),
            value_of(pair.real, "max_batch"),
            value_of(pair.real, "max_batch_fails_at"),
            _tries(pair.real),
        ]
        for pair in pairs
    ]
    few = sum(_tries(pair.real) <= MOST_TRIES for pair in pairs)
    goal = f"{few} of {len(pairs)} searches took at most {MOST_TRIES} tries, the goal"
    return table_of(
        "Largest batch, predicted beside proven", columns, rows, [_provenance(pairs), goal], name="largest_batch"
    )


def _tries(entry: Entry) -> int:
    item = measured(entry, "max_batch")
    return len(item.detail.get("tries", ())) if item else 0


def _provenance(pairs: Sequence[_Pair]) -> str:
    return provenance([pair.real for pair in pairs])
