"""Adaptive networks of every unit, small enough to count by hand.

Two classes. An easy pixel is (+-2, 0, 0) and is classified at once. A hard pixel is (-1.5, 1, 0): every stage adds its
second channel to its first, so that it is taken for class 0 after the first stage and for class 1, which is right,
from the second on. A stage is a 1x1 convolution of 3 to 3 channels, 9 MACs a running pixel; a read-out is one of 3 to 2
channels, 6 MACs a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segbench.adaptive.run import DecisionUnit, NotOffered, Run
from segbench.data import Sample

SIDE = 8
EASY, HARD = (2.0, 0.0, 0.0), (-1.5, 1.0, 0.0)


class Exits(nn.Module):
    """Images, pixels or regions end at one of three stages; blocks are computed for one stage or for two."""

    default_policy: str | None = "confidence>0.9"
    simulated: str | None = None

    def __init__(self, unit: DecisionUnit) -> None:
        super().__init__()
        self.unit = unit
        self.stages = 2 if unit == "block" else 3
        self.multiple_of = SIDE // 2 if unit in ("region", "block") else 1
        if unit == "block":
            self.default_policy = "signal<0.5"
        self.body, self.head = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.body.weight[:, :, 0, 0] = torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 0, 1]])
            self.head.weight[:, :, 0, 0] = torch.tensor([[-1.0, 0, 0], [1, 0, 0]])

    def begin(self, images: Tensor) -> Run:
        return ExitsRun(self, images)


class ExitsRun(Run):
    """Skips by gathering."""

    def __init__(self, network: Exits, images: Tensor) -> None:
        super().__init__(len(images), network.stages, images.device)
        self.unit, self._network = network.unit, network
        if self.unit in ("region", "block"):
            self.grid = (images.shape[-2] // network.multiple_of, images.shape[-1] // network.multiple_of)
        self._features = images.permute(0, 2, 3, 1).clone()
        self._running = torch.ones(self._features.shape[:3], dtype=torch.bool)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._running.shape) if self.unit == "pixel" else super().shape

    def finished(self, which: Tensor) -> Tensor:
        return torch.zeros(len(which), dtype=torch.bool) if self.unit == "block" else super().finished(which)

    def signal(self) -> Tensor:
        """How hard a block is: its mean second channel."""
        if self.grid is None:
            return super().signal()
        return nn.functional.adaptive_avg_pool2d(self._features[..., 1][:, None], self.grid)[:, 0]

    def _advance(self) -> None:
        part = self._features[self._running]
        if len(part):
            self._features[self._running] = self._network.body(part.T[None, :, :, None])[0, :, :, 0].T

    def _read(self) -> Tensor:
        if self.unit == "block" and self.stage < self.stages:
            raise NotOffered("there are no scores before the last stage")
        scores: Tensor = self._network.head(self._features.permute(0, 3, 1, 2))
        return scores

    def _keep(self, which: Tensor, rows: Tensor) -> None:
        if self.grid:
            side = self._network.multiple_of
            which = which.repeat_interleave(side, 1).repeat_interleave(side, 2)
        which = which if which.ndim == 3 else which[:, None, None]
        self._features, self._running = self._features[rows], self._running[rows] & which


@dataclass
class Scenes:
    """Images of 8x8 pixels, as floats that networks take as they are; class 1 everywhere."""

    samples: Sequence[Sample]
    classes: int = 2

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> Sample:
        return self.samples[index]


def scene(hard: float, name: str = "") -> Sample:
    """An image whose lower part, this share of it, is hard."""
    image = np.empty((SIDE, SIDE, 3), np.float32)
    image[:] = EASY
    if hard:
        image[-round(SIDE * hard) :] = HARD
    return Sample(image, np.ones((SIDE, SIDE), np.uint8), name)  # type: ignore[arg-type]


class Plainly:
    """Shows images as they are."""

    device, autocast = torch.device("cpu"), staticmethod(nullcontext)

    @staticmethod
    def inputs(samples: Sequence[Sample]) -> Tensor:
        return torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)


@pytest.fixture
def scenes() -> Scenes:
    """Easy, half hard, hard, and half hard again."""
    return Scenes([scene(hard) for hard in (0, 0.5, 1, 0.5)])
