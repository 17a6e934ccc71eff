"""The table of `segbench memory`: what each network needs, beside HRNetV2 and beside the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import ratio_of
from segbench.present.formats import BYTES, MILLIONS, RATIO, Value
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Table, table_of
from segbench.present.values import measured, outcome, paper, value_of
from segbench.records.ledger import Entry
from segbench.records.quantities import quantity
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.records.rows import reference_for

_MODES = {"train": "training", "infer": "inference"}


def memory_table(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Table:
    """One row a network; the peak is the definition `headline` names, the others are in the exports."""
    names = list(dict.fromkeys(entry.model for entry in entries))
    modes = [mode for mode in _MODES if any(mode in entry.case.modes for entry in entries)]
    kind = headline(entries[0])
    cells = {(entry.model, mode): entry for entry in entries for mode in entry.case.modes}
    columns: Columns = ["\nnetwork", Column("\nparameters", MILLIONS)]
    for mode in modes:
        batches = {item.case.batch_size if mode == "train" else item.case.infer_batch for item in entries}
        batch = "/".join(map(str, sorted(batches)))
        columns += [
            Column(f"{_MODES[mode]}\nbatch {batch}", BYTES),
            Column("\nratio", RATIO, f"{_MODES[mode]} ratio"),
            Column("\npaper", name=f"{_MODES[mode]} paper"),
        ]
    rows = [_row(name, modes, kind, cells, cards) for name in names]
    notes = [*_notes(entries, cards, kind, modes), *(_live_ratios(names, modes, cells) if kind != "live" else [])]
    return table_of("Peak memory", [*columns, "\noutcome"], rows, notes)


def headline(entry: Entry) -> str:
    """The definition shown: `live` on the CPU, `reserved` where there is a caching allocator."""
    return "live" if entry.case.device == "cpu" else "reserved"


def _row(
    name: str, modes: list[str], kind: str, cells: Mapping[tuple[str, str], Entry], cards: Mapping[str, ModelCard]
) -> list[Value | Cell]:
    found = [cells[name, mode] for mode in modes if (name, mode) in cells]
    parameters = next((value for entry in found if (value := value_of(entry, "parameters")) is not None), None)
    row: list[Value | Cell] = [name, parameters]
    for mode in modes:
        which = f"{mode}_peak_{kind}_bytes"
        entry = cells.get((name, mode))
        mine, reference = value_of(entry, which), value_of(cells.get((REFERENCE_MODEL, mode)), which)
        row += [mine, ratio_of(mine, reference), paper(entry, which, cards) if entry else None]
    failed = next((entry for entry in found if entry.outcome != "ok"), None)
    return [*row, outcome(failed) if failed else "ok"]


def _live_ratios(names: list[str], modes: list[str], cells: Mapping[tuple[str, str], Entry]) -> list[str]:
    """Ratios of what tensors alone take, which no allocator rounds."""
    notes = []
    for mode in modes:
        which = f"{mode}_peak_live_bytes"
        reference = value_of(cells.get((REFERENCE_MODEL, mode)), which)
        live = {name: value_of(cells.get((name, mode)), which) for name in names if name != REFERENCE_MODEL}
        told = [f"{name} {value / reference:.2f}" for name, value in live.items() if value and reference]
        notes += [f"{_MODES[mode]}, live bytes to {REFERENCE_MODEL}'s: {', '.join(told)}"] if told else []
    return notes


def _notes(entries: Sequence[Entry], cards: Mapping[str, ModelCard], kind: str, modes: list[str]) -> list[str]:
    names = [f"{mode}_peak_{kind}_bytes" for mode in modes]
    notes = [
        provenance(entries),
        f"peak: {quantity(names[0]).meaning} ({', '.join(names)}); ratio: to {REFERENCE_MODEL}",
    ]
    found = [measured(entry, name) for entry in entries for name in names]
    notes += dict.fromkeys(item.detail["interval_source"] for item in found if item and "interval" in item.detail)
    used = [reference_for(cards[e.model], name, e.case) for e in entries if e.model in cards for name in names]
    conditions = {f"{item.conditions} ({item.source})": None for item in used if item}
    if conditions:
        notes.append("paper: " + "; ".join(conditions) + "; the paper does not say which peak this is")
    return notes
