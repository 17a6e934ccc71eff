"""An evenly spread subset of a data set."""

from __future__ import annotations

import numpy as np

from segbench.data import Dataset, Sample
from segbench.data.dataset import Forwarding
from segbench.errors import UserError


class EvenSubset(Forwarding):
    """So many samples, spread evenly over a data set.

    Args:
        dataset: not empty.
        count: at least 1; more than there are takes all.

    Raises:
        UserError: fewer than one.
    """

    def __init__(self, dataset: Dataset, count: int) -> None:
        if count < 1:
            raise UserError(f"--images {count} leaves no image; give 1 or more")
        super().__init__(dataset)
        count = min(count, len(dataset))
        self._indices = [int(place) for place in np.linspace(0, len(dataset) - 1, count).round()]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.original.names[index] for index in self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int, /) -> Sample:
        return self.original[self._indices[index]]
