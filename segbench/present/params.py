"""The tables of `segbench params`: parameters and operations, three counters side by side, and module by module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import in_large_count
from segbench.present.formats import BYTES, COUNT, LARGE_COUNT, PERCENT, Value
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Table, table_of
from segbench.present.values import measured, outcome, paper, paper_conditions, value_of
from segbench.records.case import Json
from segbench.records.ledger import Entry

_COLUMNS: Columns = [
    "network",
    Column("parameters", COUNT),
    "paper",
    *(Column(name, LARGE_COUNT) for name in ("MACs", "FLOPs", "torch", "fvcore")),
    Column("kernels", COUNT),
    Column("activations", BYTES),
    "outcome",
]
_RULE = (
    "1 MAC = 2 FLOPs; counted by execution of one image: convolutions and matrix products, an ODE's every evaluation"
)


def params_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard], depth: int = 0) -> list[Table]:
    """The networks, and with a depth above 0 a table of modules for each.

    Args:
        depth: levels of modules to show; their MACs include what they contain.
    """
    rows = [_row(entry, cards) for entry in entries]
    notes = [provenance(entries), _RULE, *_warnings(entries), *paper_conditions(list(entries), "parameters", cards)]
    return [
        table_of("Parameters and operations", _COLUMNS, rows, notes),
        *(_modules(entry, depth) for entry in entries if depth and measured(entry, "macs")),
    ]


def _row(entry: Entry, cards: Mapping[str, ModelCard]) -> list[Value | Cell]:
    return [
        entry.model,
        value_of(entry, "parameters"),
        paper(entry, "parameters", cards),
        value_of(entry, "macs"),
        value_of(entry, "flops"),
        *(_other(entry, counter) for counter in ("torch", "fvcore")),
        value_of(entry, "kernel_launches"),
        value_of(entry, "activation_bytes"),
        outcome(entry),
    ]


def _counters(entry: Entry) -> list[dict[str, Json]]:
    item = measured(entry, "macs")
    return list(item.detail.get("counters", ())) if item else []


def _other(entry: Entry, counter: str) -> Cell:
    """With a mark where it disagrees."""
    for found in _counters(entry):
        if found["counter"] == counter:
            return Cell(found["macs"], label=f"{in_large_count(found['macs'])} !" if found["disagrees"] else None)
    return Cell()


def _warnings(entries: Sequence[Entry]) -> list[str]:
    """Counters that disagree or could not count, and operators that count as nothing."""
    notes = []
    for entry in entries:
        for found in _counters(entry):
            if found["disagrees"]:
                unknown = _operators(found["uncounted"])
                notes.append(
                    f"! {entry.model}: {found['counter']} disagrees" + (f"; it skips {unknown}" if unknown else "")
                )
            elif found["macs"] is None:
                notes.append(f"{entry.model}: {found['counter']} cannot count it: {found['cause']}")
        item = measured(entry, "macs")
        if item and item.detail.get("uncounted"):
            notes.append(f"{entry.model}: not counted as MACs: {_operators(item.detail['uncounted'])}")
    return notes


def _operators(calls: Mapping[str, int], most: int = 8) -> str:
    """`native_batch_norm 306, add 170, ...`, the most frequent first."""
    ordered = sorted(calls.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{name} {count}" for name, count in ordered[:most])
    return shown + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def _modules(entry: Entry, depth: int) -> Table:
    """Modules of the first levels that do any counted work."""
    item = measured(entry, "macs")
    assert item is not None
    total = item.value or 1
    rows = [
        [name or "(all)", kind, calls, macs, macs / total]
        for name, kind, calls, macs in item.detail["modules"]
        if macs and (len(name.split(".")) if name else 0) <= depth
    ]
    columns: Columns = ["module", "type", Column("calls", COUNT), Column("MACs", LARGE_COUNT), Column("share", PERCENT)]
    return table_of(f"{entry.model}: operations by module", columns, rows)
