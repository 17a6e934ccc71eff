"""Turns what a user typed into cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.cards.data_roots import find_root
from segbench.cards.datasets import dataset_card
from segbench.errors import UserError
from segbench.records.case import Json
from segbench.records.literals import name_and_value

_CLASSES = ("classes", "num_classes", "n_classes", "nclass")
"""Builder arguments that segbench sets itself."""


def parse_arguments(pairs: Sequence[str] | None) -> tuple[tuple[str, Json], ...]:
    """`["steps=8", "norm=batch"]` to sorted (name, value) pairs.

    Raises:
        UserError: a pair that is not of the form name=value, or the number of classes, which has a flag of its own.
    """
    found = dict(name_and_value(pair, "-a steps=8") for pair in pairs or ())
    for name in _CLASSES:
        if name in found:
            raise UserError(f"-a {name}={found[name]} would be overwritten; give --classes {found[name]}")
    return tuple(sorted(found.items()))


def default_classes(dataset: str | None) -> int:
    """The data set's number of classes, or the eleven of CamVid that the paper's Table 2 uses.

    Raises:
        UnknownName: no such data set.
    """
    return dataset_card(dataset).classes if dataset else 11


def found_root(dataset: str | None, data_root: Path | None) -> str | None:
    """The data set's folder, found before anything is measured; None for random and synthetic images.

    Raises:
        UserError: a folder was given but no data set, or one that needs no files.
        DataError: the data set is nowhere; the sentence says what to download and from where.
    """
    if dataset is None:
        if data_root is not None:
            raise UserError(f"--data-root {data_root} needs --dataset to say what lies there")
        return None
    card = dataset_card(dataset)
    if card.needs_files:
        return str(find_root(card, data_root))
    if data_root is not None:
        raise UserError(f"--data-root {data_root}: {card.name} needs no files; say with -d which data set lies there")
    return None


_PAPER_DATASET = "camvid"
"""Whose 367 training images make the epoch of the paper's Table 2."""


def images_of_epoch(dataset: str | None, split: str | None) -> int | None:
    """CamVid's official number where no data set is named; None, the copy's own, where one is: its reader counts it.

    Raises:
        UnknownName: no such split.
    """
    card = dataset_card(dataset or _PAPER_DATASET)
    official = sum(card.splits[part] for part in card.parts(split or "train"))
    return None if dataset else official
