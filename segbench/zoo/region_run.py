"""A solve of SegNode in which the regions of an image finish one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from segbench.adaptive.run import DecisionUnit
from segbench.adaptive.solver import SolverRun
from segbench.zoo.region_field import RegionField

if TYPE_CHECKING:
    from segbench.zoo.segnode import SegNode


class RegionRun(SolverRun):
    """Finished regions stand still on the large streams and keep their scores; the small streams go on everywhere.

    Args:
        network: with `region` set.
        images: `(N, 3, H, W)`, sides multiples of a region's.
    """

    unit: DecisionUnit = "region"

    def __init__(self, network: SegNode, images: Tensor, side: int) -> None:
        self.grid = (images.shape[-2] // side, images.shape[-1] // side)
        self._field = RegionField(network.ode.f, self.grid, network.small)  # type: ignore[arg-type]
        super().__init__(network, images, self._field.eval())
        self._active = torch.ones(self.shape, dtype=torch.bool, device=images.device)
        self._last: Tensor | None = None

    def _read(self) -> Tensor:
        scores = super()._read()
        if self._last is None:
            return scores
        active = functional.interpolate(self._active[:, None].to(scores.dtype), size=scores.shape[2:]) > 0
        return torch.where(active, scores, self._last)

    def _keep(self, which: Tensor, rows: Tensor) -> None:
        super()._keep(which, rows)
        self._field.keep(rows)
        self._active = self._active[rows]
        self._last = None if self._last is None else self._last[rows]
        if (self._active & ~which).any():
            self._last = self.read()  # of what finishes now
            self._active = self._active & which
        self._field.active = None if self._active.all() else self._active
        solution, *carried = self._carry  # slopes of before would move on what has finished
        self._carry = (solution, *(self._field.stopped(part) for part in carried))
