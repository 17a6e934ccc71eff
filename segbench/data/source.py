"""A split as it was found on a disk: which file belongs to which, before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segbench.cards.datasets import DatasetCard
from segbench.data.broken import Broken
from segbench.data.dataset import Pixels
from segbench.errors import DataError
from segbench.records.text import printable


@dataclass(frozen=True)
class ImageAndLabel:
    """Where one sample lies.

    Attributes:
        name: the sample's.
        image: its image; None where only labels are at hand.
        label: its label file; None where it has none, or where one file holds the labels of all.
    """

    name: str
    image: Path | None
    label: Path | None


LabelReader = Callable[[ImageAndLabel], Pixels | None]
"""Train ids `(H, W)` of a pair, None where it has no label; must be picklable, for worker processes."""


@dataclass(frozen=True)
class Source:
    """One split of one data set.

    Attributes:
        layout: which of the known trees was met.
        pairs: usable as far as names tell, in order.
        read_label: decodes a label of this layout.
        broken: list lines and files without a partner.
        options: the reader's options as they were settled, evidence included.
        shared: further files the labels depend on (one annotation file for all images).
    """

    card: DatasetCard
    split: str
    layout: str
    pairs: tuple[ImageAndLabel, ...]
    read_label: LabelReader
    broken: tuple[Broken, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    shared: tuple[Path, ...] = ()


class AbsentSplit(DataError):
    """The data set is there, but this part of it is not."""

    def __init__(self, card: DatasetCard, part: str, root: Path, wanted: str) -> None:
        super().__init__(f"{card.title}: split {part!r} is not in {printable(str(root))}; it needs {wanted}")
