"""What every data set gives: samples by index, the facts of its classes, and a fingerprint of its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segbench.cards.datasets import Colour, DatasetCard
from segbench.data.broken import Broken

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and what is seen in it.

    Attributes:
        image: `(H, W, 3)` uint8, red green blue.
        label: `(H, W)` uint8 train ids 0..C-1, 255 where the pixel does not count.
        name: unique within the data set, the same on every machine.
    """

    image: Pixels
    label: Pixels
    name: str


class Dataset(Protocol):
    """The samples of one split, read anew at each access; numpy arrays, no torch."""

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def classes(self) -> int: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def palette(self) -> tuple[Colour, ...]: ...

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Train ids that change places when an image is mirrored."""

    @property
    def size(self) -> tuple[int, int]:
        """Usual (width, height) in pixels; a hint, samples may differ."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every sample's name, in order."""

    @property
    def broken(self) -> tuple[Broken, ...]:
        """What was left out because it cannot be used; empty unless that was allowed."""

    @property
    def fingerprint(self) -> str:
        """Changes when the list or the content changes; the same wherever the files lie."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample:
        """Sample `index`, 0 <= index < len.

        Raises:
            DataError: a file that cannot be used; names it and the reason.
        """

    def describe(self) -> Mapping[str, Any]:
        """Facts for a report, as JSON can carry them; no paths."""


class CardFacts:
    """The part of `Dataset` that the card answers."""

    card: DatasetCard

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def classes(self) -> int:
        return self.card.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.card.class_names

    @property
    def palette(self) -> tuple[Colour, ...]:
        return self.card.palette

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        return self.card.flip_pairs

    @property
    def size(self) -> tuple[int, int]:
        return self.card.width, self.card.height


class Forwarding:
    """A data set made of another one; whatever a subclass does not change is asked of that one."""

    def __init__(self, original: Dataset) -> None:
        self.original = original

    @property
    def name(self) -> str:
        return self.original.name

    @property
    def split(self) -> str:
        return self.original.split

    @property
    def classes(self) -> int:
        return self.original.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.original.class_names

    @property
    def palette(self) -> tuple[Colour, ...]:
        return self.original.palette

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        return self.original.flip_pairs

    @property
    def size(self) -> tuple[int, int]:
        return self.original.size

    @property
    def names(self) -> tuple[str, ...]:
        return self.original.names

    @property
    def broken(self) -> tuple[Broken, ...]:
        return self.original.broken

    @property
    def fingerprint(self) -> str:
        return self.original.fingerprint

    def __len__(self) -> int:
        return len(self.original)

    def __getitem__(self, index: int, /) -> Sample:
        return self.original[index]

    def describe(self) -> Mapping[str, Any]:
        return self.original.describe()
