"""Table 1 of the paper: mean IoU of nine networks on four data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from segbench.cards.card import ModelCard
from segbench.cards.dataset_card import TARGET
from segbench.present.formats import PERCENT
from segbench.present.table import Cell, Column, Table
from segbench.present.values import measured
from segbench.records.ledger import Entry
from segbench.records.reference_model import REFERENCE_MODEL
from segbench.statistics.verdicts import OursAndPaper, judge
from segbench.studies.published import published_reference, raw_value
from segbench.studies.readings import Reading
from segbench.studies.study import Kind, Step, Study

TABLE1_DATASETS = {"cityscapes": "Cityscapes", "camvid": "CamVid", "lip": "LIP", "pascal-context": "PASCAL-Context"}

TABLE1_ROWS: Mapping[str, tuple[str, str | None]] = {
    "hrnetv2": ("HRNetV2", "hrnetv2"),
    "hrnetv2-ocr": ("HRNetV2+OCR", "hrnetv2-ocr"),
    "hrnetv2-ocr-mapillary": ("HRNetV2+OCR †", None),
    "unode": ("U-Node", "unode"),
    "nodes-unet": ("NODEs-UNet", "nodes-unet"),
    "baseline": ("Baseline", "baseline"),
    "segnode": ("SegNode", "segnode-paper"),
    "segnode-ocr": ("SegNode+OCR", "segnode-ocr"),
    "segnode-ocr-mapillary": ("SegNode+OCR †", None),
}
"""Rows in the paper's order: label, and the card that stands for it. †: pretrained on Mapillary, so no card's own."""

PRETRAINED: Mapping[str, Mapping[str, float]] = {
    "hrnetv2-ocr-mapillary": {"cityscapes": 0.842},
    "segnode-ocr-mapillary": {"cityscapes": 0.845},
}
"""Published mIoU of networks pretrained on Mapillary, which is not done here (SegNode paper, Table 1)."""

NOT_TRAINED = "not trained here: full widths take days of a GPU"
NOT_PRETRAINED = "published only: pretraining on Mapillary Vistas is not done here"

TEST_SPLITS = {"cityscapes": "test", "camvid": "test", "lip": "val", "pascal-context": "val"}
"""On which the paper scores; for LIP and CamVid our inference from its sections 4.3 to 4.5."""


def _no_steps(_kind: Kind) -> list[Step]:
    return []


TABLE1 = Study("table1", "Table 1: accuracy, from what the ledger holds", (), _no_steps)
"""Nothing is started: training takes days; `segbench train` and `segbench evaluate` fill the ledger."""


def table1(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> Table:
    """The paper's nine rows, then every other network of the ledger that has a score."""
    entries = [entry for entry in entries if measured(entry, "miou") is not None]
    rows = [
        [Cell(name, label=label), *(_cell(entries, cards, card, name, dataset) for dataset in TABLE1_DATASETS)]
        for name, (label, card) in TABLE1_ROWS.items()
    ]
    standing = {card for _, card in TABLE1_ROWS.values()}
    for model in dict.fromkeys(entry.model for entry, _ in _scores(entries) if entry.model not in standing):
        own = [_own_cell(entries, model, dataset) for dataset in TABLE1_DATASETS]
        rows.append([Cell(model, label=f"{model} (ours)"), *own])
    standings = [cell.standing for row in rows for cell in row[1:]]
    notes = [
        f"mean IoU; paper: SegNode paper, Table 1; -: {NOT_TRAINED}",
        f"†: {NOT_PRETRAINED}, and there for Cityscapes alone",
        f"{standings.count('measured')} cells measured, {standings.count('published')} only published, "
        f"{standings.count('missing')} missing",
        *_one_class(entries),
    ]
    columns = [Column(""), *(Column(title, PERCENT, dataset) for dataset, title in TABLE1_DATASETS.items())]
    return Table("Table 1 beside ours", columns, rows, notes, "table1")


def _cell(entries: Sequence[Entry], cards: Mapping[str, ModelCard], card: str | None, row: str, dataset: str) -> Cell:
    paper = _published(cards, card, row, dataset)
    ours = _newest(_of_card(entries, card), dataset) if card else None
    reference = _newest(_of_card(entries, REFERENCE_MODEL), dataset)
    pair = OursAndPaper(
        ours.value if ours else None,
        paper,
        reference.value if reference else None,
        _published(cards, REFERENCE_MODEL, REFERENCE_MODEL, dataset),
    )
    missing = NOT_TRAINED if card else NOT_PRETRAINED
    judgement = judge("accuracy", pair, _obstacle(ours, dataset) if ours else None, missing)
    return replace(_with_source(ours), paper=None if paper is None else Cell(paper, PERCENT), judgement=judgement)


def _own_cell(entries: Sequence[Entry], model: str, dataset: str) -> Cell:
    return _with_source(_newest([entry for entry in entries if entry.model == model], dataset))


def _one_class(entries: Sequence[Entry]) -> list[str]:
    """Scores of one class against the rest, which no column can hold: the newest of each network and set."""
    found = {
        (entry.model, entry.case.dataset): item.value
        for entry in entries
        if entry.case.task == "evaluate" and f"{TARGET}=" in (entry.case.dataset or "")
        if (item := measured(entry, "miou")) is not None and item.value is not None
    }
    return [
        f"{model} finds one class only and stands in no column: {dataset}, {PERCENT.draw(value)} over class and rest"
        for (model, dataset), value in found.items()
    ]


def _with_source(ours: Reading | None) -> Cell:
    if ours is None:
        return Cell(format=PERCENT, quantity="miou")
    return Cell(ours.value, PERCENT, quantity="miou", method=ours.method, conditions=_conditions(ours))


def _published(cards: Mapping[str, ModelCard], card: str | None, row: str, dataset: str) -> float | None:
    if card is None:
        return PRETRAINED[row].get(dataset)
    found = published_reference(cards[card], "miou", dataset)
    return raw_value(found) if found else None


def _obstacle(ours: Reading, dataset: str) -> str:
    """Always one, until a ledger can say that a body was pretrained as the paper's."""
    split = ours.entry.case.split or "val"
    other = f", and scored on {split}, not on {TEST_SPLITS[dataset]}" if split != TEST_SPLITS[dataset] else ""
    return f"trained without the paper's ImageNet pretraining{other}"


def _conditions(ours: Reading) -> str:
    case, detail = ours.entry.case, ours.measurement.detail
    protocol = ours.measurement.factors.get("protocol", "single scale")
    images = f", {detail['images']} images" if "images" in detail else ""
    return f"{case.dataset} {case.split or 'val'}{images}, {case.width}x{case.height}, {protocol}"


def _of_card(entries: Sequence[Entry], card: str) -> list[Entry]:
    """Of the network as its card builds it; where several trainings are told apart, of all of them."""
    return [entry for entry in entries if entry.case.model == card and not entry.case.arguments]


def _newest(entries: Sequence[Entry], dataset: str) -> Reading | None:
    """The newest score on a data set."""
    found = [item for entry, item in _scores(entries) if _plain(entry.case.dataset) == dataset]
    return found[-1] if found else None


def _scores(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Reading]]:
    """Of whole evaluations on one of the four data sets, of networks trained on it as far as is known, oldest first.

    Not on the images of the training split.
    """
    for entry in entries:
        item = measured(entry, "miou") if entry.case.task == "evaluate" else None
        if item is None or item.value is None or "train" in (entry.case.split or "").split("+"):
            continue
        dataset = _plain(entry.case.dataset)
        if dataset in TABLE1_DATASETS and _plain(item.detail.get("trained_on")) in ("", dataset):
            yield entry, Reading(float(item.value), item, entry)


def _plain(dataset: str | None) -> str:
    """A data set's name without reader options; 59 classes is what the paper means by PASCAL-Context.

    With one class against the rest it is another set.
    """
    name, _, options = (dataset or "").partition(":")
    return dataset or "" if f"{TARGET}=" in options else name.removesuffix("-59")
