"""The tables of `segbench epoch`: time of an epoch, and where a step's time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, as_ratio, in_seconds
from segbench.present.provenance import provenance
from segbench.present.sheet import Sheet
from segbench.present.values import measured, outcome, paper, paper_conditions, uncertainty, value_of
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL

_PARTS = {
    "data": "train_data_s",
    "forward": "train_forward_s",
    "backward": "train_backward_s",
    "optimizer": "train_optimizer_s",
}


def epoch_sheets(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Sheet]:
    """One row a network in each."""
    rival = next((value_of(entry, "epoch_s") for entry in entries if entry.model == REFERENCE_MODEL), None)
    images = " / ".join(dict.fromkeys(_images(entry) for entry in entries))
    columns = [
        "network",
        "batch",
        "epoch",
        "95 %",
        f"x {REFERENCE_MODEL}",
        "step",
        "images/s",
        "energy",
        "paper",
        "outcome",
    ]
    rows = [_row(entry, rival, cards) for entry in entries]
    notes = [provenance(entries), *_notes(entries), *paper_conditions(list(entries), "epoch_s", cards)]
    parts = [[entry.model, *(in_seconds(value_of(entry, name)) for name in _PARTS.values())] for entry in entries]
    return [
        Sheet(f"Training time, epoch of {images} images", columns, rows, notes),
        Sheet("Where a step's time goes, median", ["network", *_PARTS], parts),
    ]


def _images(entry: Entry) -> str:
    """Of the epoch; counted by the child where the user does not say."""
    said, found = entry.case.option("images"), measured(entry, "epoch_s")
    return str(said or (found.factors.get("images", "?") if found else "?"))


def _row(entry: Entry, rival: float | None, cards: Mapping[str, ModelCard]) -> list[str]:
    epoch, step, energy = (value_of(entry, name) for name in ("epoch_s", "train_step_s", "energy_j"))
    return [
        entry.model,
        str(entry.case.batch_size),
        in_seconds(epoch),
        uncertainty(entry, "epoch_s"),
        as_ratio(epoch, rival),
        in_seconds(step),
        MISSING if step is None else f"{entry.case.batch_size / step:.3g}",
        MISSING if energy is None else f"{energy:.4g} J",
        paper(entry, "epoch_s", cards),
        outcome(entry),
    ]


def _notes(entries: Sequence[Entry]) -> list[str]:
    notes = ["epoch: the median step times the steps of an epoch, the last one whole; data loading included"]
    for name, label in (("train_data_s", "data"), ("energy_j", "energy")):
        causes = {item.cause for entry in entries if (item := measured(entry, name)) and item.cause}
        notes += [f"{label}: {cause}" for cause in sorted(causes)]
    compiled = [f"{entry.model} {in_seconds(value)}" for entry in entries if (value := value_of(entry, "compile_s"))]
    return notes + (["compiled; the first steps took longer by " + ", ".join(compiled)] if compiled else [])
