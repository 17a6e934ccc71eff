"""A run whose pixels leave: which are still computed, and what those that have left were answered."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from segbench.adaptive.run import NotOffered, Run
from segbench.layers.region_conv import Region


class PixelRun(Run):
    """Pixels of the scores keep the class they left with; an image ends when none of its pixels goes on."""

    unit = "pixel"

    def __init__(self, count: int, stages: int, device: torch.device) -> None:
        super().__init__(count, stages, device)
        self._region: Region | None = None
        self._carried: Tensor | None = None

    @property
    def region(self) -> Region:
        """The pixels that go on.

        Raises:
            NotOffered: before the first stage, which gives them their number.
        """
        if self._region is None:
            raise NotOffered("there are no pixels of scores before the first stage")
        return self._region

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.region.mask.shape)

    def finished(self, which: Tensor) -> Tensor:
        return super().finished(which & self.region.mask)

    def _advance(self) -> None:
        size = self._computed(self._region)
        if self._region is None:
            self._region = Region(torch.ones(len(self.images), *size, dtype=torch.bool, device=self.images.device))

    def _read(self) -> Tensor:
        return self._scored(self.region, self._carried)

    def _keep(self, which: Tensor, rows: Tensor) -> None:
        mask = self.region.mask
        if len(rows) < len(mask):
            mask = mask[rows]
            self._region = Region(mask)
            self._carried = None if self._carried is None else self._carried[rows]
            self._select(rows)
        going = mask & which
        if not torch.equal(going, mask):
            self._carried = self.read()
            self._region = Region(going)

    @abstractmethod
    def _computed(self, region: Region | None) -> tuple[int, int]:
        """Makes the next stage at a region, everywhere if None; height and width of the scores."""

    @abstractmethod
    def _scored(self, region: Region, carried: Tensor | None) -> Tensor:
        """Scores `(n, classes, h, w)` of the last stage at the region, and those carried over elsewhere.

        Nothing is carried over where the region is whole.
        """

    @abstractmethod
    def _select(self, rows: Tensor) -> None:
        """Goes on with these of the images."""
