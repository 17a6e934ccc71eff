"""LIP, the single-person set: every tree its users keep it in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from segbench.cards.datasets import DatasetCard
from segbench.data.listing import Matched, first_file, join, match, read_lines
from segbench.data.source import AbsentSplit, Source
from segbench.data.tables import identity_table
from segbench.errors import DataError


@dataclass(frozen=True)
class _Tree:
    """One way the files lie; `{part}` is train or val.

    Attributes:
        listed: whether only list files tell train from val.
    """

    layout: str
    images: str
    labels: str
    listed: bool = False


_TREES = (
    _Tree("official", "TrainVal_images/{part}_images", "TrainVal_parsing_annotations/{part}_segmentations"),
    _Tree(  # unpacking each zip file into a folder of its name
        "official",
        "TrainVal_images/TrainVal_images/{part}_images",
        "TrainVal_parsing_annotations/TrainVal_parsing_annotations/{part}_segmentations",
    ),
    _Tree(
        "official",
        "TrainVal_images/TrainVal_images/{part}_images",
        "TrainVal_parsing_annotations/{part}_segmentations",
    ),
    _Tree("flat", "{part}_images", "{part}_segmentations"),
    _Tree("openseg", "{part}/image", "{part}/label"),
    _Tree("jppnet", "images", "labels", listed=True),
)

_LISTS = (
    "{part}_id.txt",
    "TrainVal_images/{part}_id.txt",
    "TrainVal_images/TrainVal_images/{part}_id.txt",
    "list/{part}_id.txt",
    "list/lip/{part}List.txt",
    "../list/lip/{part}List.txt",
)
"""Where id lists lie: the official ones hold ids, HRNet's (`trainList.txt`) two or three paths a line."""

_TEST_IMAGES = ("Testing_images/testing_images", "Testing_images/Testing_images/testing_images", "testing_images")


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split; the test split has no labels.

    Raises:
        DataError: none of the known trees holds the split.
    """
    parts = card.parts(split)
    found = [_part(card, root, part, options["layout"]) for part in parts]
    pairs, broken = join(matched for _, matched in found)
    layouts = "+".join(dict.fromkeys(layout for layout, _ in found))
    return Source(card, split, layouts, pairs, identity_table(card.classes), broken)


def _part(card: DatasetCard, root: Path, part: str, layout: str) -> tuple[str, Matched]:
    if part == "test":
        return "official", _test(card, root)
    listed = first_file(root / place.format(part=part) for place in _LISTS)
    for tree in _trees(layout):
        images, labels = root / tree.images.format(part=part), root / tree.labels.format(part=part)
        if not (images.is_dir() and labels.is_dir()):
            continue
        if tree.listed and listed is None:
            raise DataError(f"LIP in {root}: {part} and other images share a folder, so list/{part}_id.txt is needed")
        return tree.layout, match(images, labels, read_lines(listed) if listed else None)
    known = (f"{tree.images.format(part=part)} with {tree.labels.format(part=part)}" for tree in _trees(layout))
    raise AbsentSplit(card, part, root, " or ".join(known))


def _trees(layout: str) -> Iterator[_Tree]:
    return (tree for tree in _TREES if layout in ("auto", tree.layout))


def _test(card: DatasetCard, root: Path) -> Matched:
    for place in _TEST_IMAGES:
        if (root / place).is_dir():
            return match(root / place, None, None)
    raise AbsentSplit(card, "test", root, " or ".join(_TEST_IMAGES))
