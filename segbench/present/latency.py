"""The tables of `segbench latency`: time per image, and its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import in_seconds, ratio_of
from segbench.present.formats import RATIO, SECONDS, THREE_DIGITS, Format, Value, plain, spread
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Table, table_of
from segbench.present.values import measured, outcome, paper, paper_conditions, uncertainty, value_of
from segbench.records.ledger import Entry
from segbench.records.quantities import quantity
from segbench.records.reference_model import REFERENCE_MODEL

_PARTS = {
    "copy in": "latency_copy_in_s",
    "normalise": "latency_normalise_s",
    "forward": "latency_forward_s",
    "up-sample, argmax": "latency_argmax_s",
    "copy out": "latency_copy_out_s",
}


def latency_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """One row a network in each; percentiles are of all samples, per image."""
    reference = next((value_of(entry, "latency_s") for entry in entries if entry.model == REFERENCE_MODEL), None)
    batch = " / ".join(dict.fromkeys(str(entry.case.infer_batch) for entry in entries))
    columns: Columns = [
        "network",
        Column("per image", SECONDS),
        Column("95 %", spread("second"), "per image"),
        Column("p90", SECONDS),
        Column("p99", SECONDS),
        Column(f"x {REFERENCE_MODEL}", RATIO, f"ratio to {REFERENCE_MODEL}"),
        Column("images/s", THREE_DIGITS),
        Column("energy", plain("{:.3g} J", "joule")),
        "paper",
        Column("rounds", _ROUNDS),
        "outcome",
    ]
    rows = [_row(entry, reference, cards) for entry in entries]
    notes = [provenance(entries), *_notes(entries), *paper_conditions(list(entries), "latency_s", cards)]
    parts = [[entry.model, *(value_of(entry, name) for name in _PARTS.values())] for entry in entries]
    why = "forward: the network itself; one that returns full-size scores up-samples there"
    return [
        table_of(f"Latency, batch {batch}", columns, rows, notes),
        table_of(
            "Latency by part, median per image", ["network", *(Column(part, SECONDS) for part in _PARTS)], parts, [why]
        ),
    ]


def _row(entry: Entry, reference: float | None, cards: Mapping[str, ModelCard]) -> list[Value | Cell]:
    mine = value_of(entry, "latency_s")
    return [
        entry.model,
        mine,
        uncertainty(entry, "latency_s"),
        value_of(entry, "latency_p90_s"),
        value_of(entry, "latency_p99_s"),
        ratio_of(mine, reference),
        value_of(entry, "throughput_images_per_s"),
        value_of(entry, "energy_per_image_j"),
        paper(entry, "latency_s", cards),
        _rounds(entry),
        outcome(entry),
    ]


_ROUNDS = Format("count", lambda counts: "{} of {} runs".format(*counts), ("", "runs"))


def _rounds(entry: Entry) -> Value:
    item = measured(entry, "latency_s")
    return None if item is None else (len(item.detail.get("rounds", ())), len(item.samples))


def _notes(entries: Sequence[Entry]) -> list[str]:
    notes = [f"per image: {quantity('latency_s').meaning}, median; rounds of fresh processes, interleaved"]
    causes = {item.cause for entry in entries if (item := measured(entry, "energy_per_image_j")) and item.cause}
    compiled = [f"{entry.model} {in_seconds(value)}" for entry in entries if (value := value_of(entry, "compile_s"))]
    if compiled:
        notes.append("compiled; the first calls took longer by " + ", ".join(compiled))
    return notes + [f"energy: {cause}" for cause in sorted(causes)]
