"""The tables of `segbench latency`: time per image, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, as_ratio, in_seconds
from segbench.present.provenance import provenance
from segbench.present.sheet import Sheet
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


def latency_sheets(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Sheet]:
    """One row a network in each; percentiles are of all samples, per image."""
    rival = next((value_of(entry, "latency_s") for entry in entries if entry.model == REFERENCE_MODEL), None)
    batch = " / ".join(dict.fromkeys(str(entry.case.infer_batch) for entry in entries))
    columns = [
        *(
            "network",
            "per image",
            "95 %",
            "p90",
            "p99",
            f"x {REFERENCE_MODEL}",
            "images/s",
            "energy",
            "paper",
            "rounds",
            "outcome",
        ),
    ]
    rows = [_row(entry, rival, cards) for entry in entries]
    notes = [provenance(entries), *_notes(entries), *paper_conditions(list(entries), "latency_s", cards)]
    parts = [[entry.model, *(in_seconds(value_of(entry, name)) for name in _PARTS.values())] for entry in entries]
    why = "forward: the network; one that returns full-size scores up-samples there"
    return [
        Sheet(f"Inference time, batch {batch}", columns, rows, notes),
        Sheet("Where it goes, median per image", ["network", *_PARTS], parts, [why]),
    ]


def _row(entry: Entry, rival: float | None, cards: Mapping[str, ModelCard]) -> list[str]:
    mine = value_of(entry, "latency_s")
    speed, energy = value_of(entry, "throughput_images_per_s"), value_of(entry, "energy_per_image_j")
    return [
        entry.model,
        in_seconds(mine),
        uncertainty(entry, "latency_s"),
        in_seconds(value_of(entry, "latency_p90_s")),
        in_seconds(value_of(entry, "latency_p99_s")),
        as_ratio(mine, rival),
        MISSING if speed is None else f"{speed:.3g}",
        MISSING if energy is None else f"{energy:.3g} J",
        paper(entry, "latency_s", cards),
        _rounds(entry),
        outcome(entry),
    ]


def _rounds(entry: Entry) -> str:
    item = measured(entry, "latency_s")
    return MISSING if item is None else f"{len(item.detail.get('rounds', ()))} of {len(item.samples)} runs"


def _notes(entries: Sequence[Entry]) -> list[str]:
    notes = [f"per image: {quantity('latency_s').meaning}, median; rounds of fresh processes, interleaved"]
    causes = {item.cause for entry in entries if (item := measured(entry, "energy_per_image_j")) and item.cause}
    compiled = [f"{entry.model} {in_seconds(value)}" for entry in entries if (value := value_of(entry, "compile_s"))]
    if compiled:
        notes.append("compiled; the first calls took longer by " + ", ".join(compiled))
    return notes + [f"energy: {cause}" for cause in sorted(causes)]
