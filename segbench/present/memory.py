"""The table of `segbench memory`: what each network needs, beside HRNetV2 and beside the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, as_published, as_ratio, in_bytes, in_millions
from segbench.present.provenance import provenance
from segbench.present.sheet import Sheet
from segbench.records.ledger import Entry
from segbench.records.quantities import quantity
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.records.rows import reference_for

_MODES = {"train": "training", "infer": "inference"}


def memory_sheet(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Sheet:
    """One row a network; the peak is the definition `headline` names, the others are in the exports."""
    names = list(dict.fromkeys(entry.model for entry in entries))
    modes = [mode for mode in _MODES if any(mode in entry.case.modes for entry in entries)]
    kind = headline(entries[0])
    cells = {(entry.model, mode): entry for entry in entries for mode in entry.case.modes}
    columns = ["\nnetwork", "\nparameters"]
    for mode in modes:
        case = entries[0].case
        batch = case.batch_size if mode == "train" else case.infer_batch
        columns += [f"{_MODES[mode]}\nbatch {batch}", "\nratio", "\npaper"]
    rows = [_row(name, modes, kind, cells, cards) for name in names]
    notes = [*_notes(entries, cards, kind, modes), *(_live_ratios(names, modes, cells) if kind != "live" else [])]
    return Sheet("Peak memory", [*columns, "\noutcome"], rows, notes)


def headline(entry: Entry) -> str:
    """The definition shown: `live` on the CPU, `reserved` where there is a caching allocator."""
    return "live" if entry.case.device == "cpu" else "reserved"


def _row(
    name: str, modes: list[str], kind: str, cells: Mapping[tuple[str, str], Entry], cards: Mapping[str, ModelCard]
) -> list[str]:
    found = [cells[name, mode] for mode in modes if (name, mode) in cells]
    parameters = next((value for entry in found if (value := _value(entry, "parameters")) is not None), None)
    row = [name, in_millions(parameters)]
    for mode in modes:
        which = f"{mode}_peak_{kind}_bytes"
        mine, rival = _value(cells.get((name, mode)), which), _value(cells.get((REFERENCE_MODEL, mode)), which)
        row += [in_bytes(mine), as_ratio(mine, rival), _paper(name, which, cells.get((name, mode)), cards)]
    failed = next((entry for entry in found if entry.outcome != "ok"), None)
    return [*row, f"{failed.outcome}: {failed.cause}" if failed else "ok"]


def _live_ratios(names: list[str], modes: list[str], cells: Mapping[tuple[str, str], Entry]) -> list[str]:
    """Ratios of what tensors alone take, which no allocator rounds."""
    notes = []
    for mode in modes:
        which = f"{mode}_peak_live_bytes"
        rival = _value(cells.get((REFERENCE_MODEL, mode)), which)
        live = {name: _value(cells.get((name, mode)), which) for name in names if name != REFERENCE_MODEL}
        told = [f"{name} {as_ratio(value, rival)}" for name, value in live.items() if value and rival]
        notes += [f"{_MODES[mode]}, live bytes to {REFERENCE_MODEL}'s: {', '.join(told)}"] if told else []
    return notes


def _value(entry: Entry | None, name: str) -> float | None:
    found = [item.value for item in entry.measurements if item.quantity == name] if entry else []
    return found[0] if found else None


def _paper(name: str, which: str, entry: Entry | None, cards: Mapping[str, ModelCard]) -> str:
    reference = reference_for(cards[name], which, entry.case) if entry and name in cards else None
    return as_published(reference.value, reference.unit) if reference else MISSING


def _notes(entries: Sequence[Entry], cards: Mapping[str, ModelCard], kind: str, modes: list[str]) -> list[str]:
    names = [f"{mode}_peak_{kind}_bytes" for mode in modes]
    notes = [
        provenance(entries),
        f"peak: {quantity(names[0]).meaning} ({', '.join(names)}); ratio: to {REFERENCE_MODEL}",
    ]
    used = [reference_for(cards[e.model], name, e.case) for e in entries if e.model in cards for name in names]
    conditions = {f"{item.conditions} ({item.source})": None for item in used if item}
    if conditions:
        notes.append("paper: " + "; ".join(conditions) + "; which peak it read is not said")
    return notes
