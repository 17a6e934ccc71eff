"""One class of a data set against the rest, as two classes, for networks that find one target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segbench.cards.datasets import IGNORE, Colour
from segbench.data.dataset import Dataset, Forwarding, Sample


class AgainstRest(Forwarding):
    """Train id 1 where the target is, 0 where any other class is; what is ignored stays so.

    Args:
        original: with all its classes.
        target: the name of one of them.
    """

    def __init__(self, original: Dataset, target: str) -> None:
        super().__init__(original)
        self._target, self._id = target, original.class_names.index(target)

    @property
    def classes(self) -> int:
        return 2

    @property
    def class_names(self) -> tuple[str, ...]:
        return "rest", self._target

    @property
    def palette(self) -> tuple[Colour, ...]:
        return (0, 0, 0), self.original.palette[self._id]

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        return ()

    @property
    def fingerprint(self) -> str:
        return f"{self.original.fingerprint}-{self._target}"

    def __getitem__(self, index: int, /) -> Sample:
        sample = self.original[index]
        label = np.where(sample.label == IGNORE, IGNORE, sample.label == self._id).astype(np.uint8)
        return Sample(sample.image, label, sample.name)

    def describe(self) -> Mapping[str, Any]:
        facts = self.original.describe()
        return {**facts, "classes": 2, "options": {**facts.get("options", {}), "target": self._target}}
