"""ADE20K as the scene parsing challenge packed it: 150 classes, unlabelled pixels 0 in the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segbench.cards.datasets import IGNORE, DatasetCard
from segbench.data.listing import Matched, join, match
from segbench.data.source import AbsentSplit, Source
from segbench.data.tables import IdTable

_FOLDERS = {"train": "training", "val": "validation"}
_ARCHIVE = "ADEChallengeData2016"


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split.

    Raises:
        DataError: the split is not there.
    """
    base = root / _ARCHIVE if (root / _ARCHIVE).is_dir() else root
    pairs, broken = join(_part(card, base, part) for part in card.parts(split))
    table = IdTable.of({0: IGNORE, **{index + 1: index for index in range(card.classes)}})
    return Source(card, split, "challenge", pairs, table, broken, options)


def _part(card: DatasetCard, base: Path, part: str) -> Matched:
    images, labels = base / "images" / _FOLDERS[part], base / "annotations" / _FOLDERS[part]
    if not images.is_dir() or not labels.is_dir():
        raise AbsentSplit(card, part, base, f"images/{_FOLDERS[part]} and annotations/{_FOLDERS[part]}")
    return match(images, labels, None)
