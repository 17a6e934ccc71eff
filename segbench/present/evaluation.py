"""The tables of `segbench evaluate`: scores of each network, and IoU class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.amounts import in_percent
from segbench.present.formats import PERCENT, Format, Value
from segbench.present.provenance import provenance
from segbench.present.table import Column, Columns, Table, table_of
from segbench.present.values import detail_of, measured, outcome, paper, paper_conditions, uncertainty_of, value_of
from segbench.records.case import Json
from segbench.records.ledger import Entry

_SCORES = ("mIoU", "absent as 0", "image mean", "pixels", "classes", "boundary F")


def evaluation_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """The scores, and where there are any the IoU of each class."""
    compared = _compared(entries)
    rows = [
        [
            entry.model,
            value_of(entry, "miou"),
            detail_of(entry, "miou", "miou_absent_as_zero"),
            value_of(entry, "miou_image_mean"),
            value_of(entry, "pixel_accuracy"),
            value_of(entry, "class_accuracy"),
            value_of(entry, "boundary_f"),
            *([_difference(entry)] if compared else []),
            paper(entry, "miou", cards),
            outcome(entry),
        ]
        for entry in entries
    ]
    notes = [
        provenance(entries),
        *_asked(entries),
        *compared,
        *paper_conditions(list(entries), "miou", cards),
    ]
    columns: Columns = [
        "network",
        *(Column(name, PERCENT) for name in _SCORES),
        *([Column("difference", _DIFFERENCE)] if compared else []),
        "paper",
        "outcome",
    ]
    scored = [entry for entry in entries if measured(entry, "miou")]
    return [table_of("Accuracy", columns, rows, notes), *_class_table(scored), *_weights_table(scored)]


def _weights_table(entries: Sequence[Entry]) -> list[Table]:
    """Tensors of the files of weights and of the networks that did not meet; nothing where all did."""
    details = {entry.model: item.detail.get("weights") for entry in entries if (item := measured(entry, "miou"))}
    found = {model: weights for model, weights in details.items() if weights and weights["unmatched"]}
    rows = [[model, name, what] for model, weights in found.items() for what, name in weights["unmatched"]]
    notes = [f"{model}: {weights['loaded']} tensors found theirs" for model, weights in found.items()]
    columns = ["network", "tensor", "what"]
    return [table_of("Weights that found no place", columns, rows, notes, prose=True)] if found else []


def _asked(entries: Sequence[Entry]) -> list[str]:
    """What was asked of which split, and how classes that do not occur are counted."""
    found = [(entry, item.detail) for entry in entries if (item := measured(entry, "miou"))]
    if not found:
        return []
    asked = dict.fromkeys(
        f"{entry.case.dataset} {entry.case.split}, {detail['images']} images, protocol {_protocol(detail['protocol'])}"
        for entry, detail in found
    )
    rule = "mIoU: one confusion matrix over the split; classes neither there nor predicted are skipped, or count 0"
    return [*asked, rule, "boundary F: within 0.75 % of the diagonal, counts summed over the split"]


_DIFFERENCE = Format(
    "fraction",
    lambda parts: "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * part for part in parts)),
    ("", "low", "high"),
)
"""`+1.9 (+1.4 to +2.5)` points."""


def _difference(entry: Entry) -> Value:
    item = measured(entry, "miou_difference")
    return uncertainty_of(item) if item else None


def _compared(entries: Sequence[Entry]) -> list[str]:
    """With what, and what the interval says."""
    others = {
        item.detail["against"]: item.detail["other_miou"]
        for entry in entries
        if (item := measured(entry, "miou_difference"))
    }
    named = " or ".join(f"{place} ({in_percent(miou)})" for place, miou in others.items())
    told = "points of mIoU, 95 % bootstrap interval over the same images; other seeds may differ more"
    return [f"difference to {named}: {told}"] if others else []


def _protocol(protocol: Mapping[str, Json]) -> str:
    """`single at 240x180`, with what it does beyond that."""
    size = f"{protocol['width']}x{protocol['height']}" if protocol["width"] else f"short side {protocol['short_side']}"
    parts = [f"{protocol['name']} at {size}"]
    if len(protocol["scales"]) > 1:
        parts.append("scales " + ", ".join(f"{scale:g}" for scale in protocol["scales"]))
    parts += ["mirrored too"] if protocol["flip"] else []
    parts += ["windows {}x{}".format(*protocol["window"])] if protocol["window"] else []
    return ", ".join(parts)


def _class_table(entries: Sequence[Entry]) -> list[Table]:
    if not entries:
        return []
    found = {entry.model: item.detail["iou"] for entry in entries if (item := measured(entry, "miou"))}
    names = next(iter(found.values()))
    rows = [[name, *(iou[name] for iou in found.values())] for name in names]
    return [table_of("IoU by class", ["class", *(Column(name, PERCENT) for name in found)], rows)]
