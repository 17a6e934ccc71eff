"""Looks at every file of a data set and draws a contact sheet."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from segbench.cards.datasets import DatasetCard, read_dataset_spec
from segbench.data.check import SplitCheck, check_split, present_splits, repeated_names, some_samples
from segbench.data.contact_sheet import contact_sheet
from segbench.data.dataset import Dataset
from segbench.errors import DataError, UserError
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import CheckDatasetOptions
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter

_SHOWN = 8
"""Samples on the contact sheet."""


def run(case: Case, report: Reporter) -> None:
    """Reports `images_per_s` of each split with what is in it as detail (`SplitCheck`).

    Raises:
        UserError: no data set is named, or the contact sheet cannot be written.
        DataError: nothing of the data set is there.
    """
    if case.dataset is None:
        raise UserError("no data set to check; name one")
    card, _ = read_dataset_spec(case.dataset)
    asked = case.options_as(CheckDatasetOptions)
    datasets = present_splits(case.dataset, case.data_root, asked.splits)
    for dataset in datasets:
        report.measured(_measurement(_checked(card, dataset, report)))
    for sentence in repeated_names(datasets):
        report.note(sentence)
    if asked.contact_sheet:
        _draw(card, datasets, Path(asked.contact_sheet))


def _checked(card: DatasetCard, dataset: Dataset, report: Reporter) -> SplitCheck:
    expected = sum(card.splits[part] for part in card.parts(dataset.split))
    return check_split(dataset, expected, partial(Progress(report), dataset.split))


def _measurement(check: SplitCheck) -> Measurement:
    looked = check.images + len(check.broken)
    rate = looked / check.seconds if looked else None
    cause = None if looked else "the split is empty"
    factors = {"split": check.split}
    return Measurement("images_per_s", rate, "measured:host", cause=cause, factors=factors, detail=check.to_json())


def _draw(card: DatasetCard, datasets: list[Dataset], path: Path) -> None:
    samples = some_samples(datasets, _SHOWN)
    if not samples:
        raise DataError(f"no contact sheet of {card.title}: not one sample can be read")
    title = f"{card.title}: {', '.join(f'{dataset.split} {len(dataset)}' for dataset in datasets)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(card, samples, title).save(path)
    except (OSError, ValueError) as error:  # ValueError: an ending Pillow knows no format for
        raise UserError(f"the contact sheet {path} cannot be written: {error}") from error
