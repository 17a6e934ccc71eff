"""The tables of `segbench epoch`: time of an epoch, and the parts of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import in_seconds, ratio_of
from segbench.present.formats import RATIO, SECONDS, THREE_DIGITS, Value, plain, spread
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Table, table_of
from segbench.present.values import measured, outcome, paper, paper_conditions, uncertainty, value_of
from segbench.records.ledger import Entry
from segbench.records.options import EpochOptions
from segbench.records.reference_model import REFERENCE_MODEL

_PARTS = {
    "data": "train_data_s",
    "forward": "train_forward_s",
    "backward": "train_backward_s",
    "optimizer": "train_optimizer_s",
}


def epoch_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """One row a network in each."""
    reference = next((value_of(entry, "epoch_s") for entry in entries if entry.model == REFERENCE_MODEL), None)
    images = " / ".join(dict.fromkeys(_images(entry) for entry in entries))
    columns: Columns = [
        "network",
        "batch",
        Column("epoch", SECONDS),
        Column("95 %", spread("second"), "epoch"),
        Column(f"x {REFERENCE_MODEL}", RATIO, f"ratio to {REFERENCE_MODEL}"),
        Column("step", SECONDS),
        Column("images/s", THREE_DIGITS),
        Column("energy", plain("{:.4g} J", "joule")),
        "paper",
        "outcome",
    ]
    rows = [_row(entry, reference, cards) for entry in entries]
    notes = [provenance(entries), *_notes(entries), *paper_conditions(list(entries), "epoch_s", cards)]
    parts = [[entry.model, *(value_of(entry, name) for name in _PARTS.values())] for entry in entries]
    return [
        table_of(f"Training time, epoch of {images} images", columns, rows, notes),
        table_of("Training step by part, median", ["network", *(Column(part, SECONDS) for part in _PARTS)], parts),
    ]


def _images(entry: Entry) -> str:
    """Of the epoch; counted by the child where the user does not say."""
    said, found = entry.case.options_as(EpochOptions).images, measured(entry, "epoch_s")
    return str(said or (found.factors.get("images", "?") if found else "?"))


def _row(entry: Entry, reference: float | None, cards: Mapping[str, ModelCard]) -> list[Value | Cell]:
    epoch, step = value_of(entry, "epoch_s"), value_of(entry, "train_step_s")
    return [
        entry.model,
        entry.case.batch_size,
        epoch,
        uncertainty(entry, "epoch_s"),
        ratio_of(epoch, reference),
        step,
        entry.case.batch_size / step if step else None,
        value_of(entry, "energy_per_epoch_j"),
        paper(entry, "epoch_s", cards),
        outcome(entry),
    ]


def _notes(entries: Sequence[Entry]) -> list[str]:
    notes = ["epoch: the median step times the number of steps, the last one counted as whole; data loading included"]
    for name, label in (("train_data_s", "data"), ("energy_per_epoch_j", "energy")):
        causes = {item.cause for entry in entries if (item := measured(entry, name)) and item.cause}
        notes += [f"{label}: {cause}" for cause in sorted(causes)]
    compiled = [f"{entry.model} {in_seconds(value)}" for entry in entries if (value := value_of(entry, "compile_s"))]
    return notes + (["compiled; the first steps took longer by " + ", ".join(compiled)] if compiled else [])
