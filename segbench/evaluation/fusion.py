"""Sums and means of class scores: of windows that overlap, of scales, and of neighbouring pixels in enlarging."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Means:
    """Of the scores as they are."""

    nothing = 0.0
    """What a sum starts from."""

    def sum(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other

    def shared(self, total: Tensor, count: Tensor) -> Tensor:
        """A sum divided by how many went into it."""
        return total / count

    def enlarged(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """Bilinear, to (h, w)."""
        if scores.shape[-2:] == size:
            return scores
        return functional.interpolate(scores.float(), size=size, mode="bilinear", align_corners=False)


class LogMeans(Means):
    """Of the scores' exponentials, each written as its logarithm: no score is too large or too small for that.

    Enlarging mixes neighbours that may differ by more than exp can hold, so it is done on logarithms too.
    """

    nothing = -torch.inf

    def sum(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.logaddexp(one, other)

    def shared(self, total: Tensor, count: Tensor) -> Tensor:
        return total - count.log()

    def enlarged(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        for axis, length in ((-2, size[0]), (-1, size[1])):
            if scores.shape[axis] != length:
                scores = self._enlarged_along(scores, axis, length)
        return scores

    def _enlarged_along(self, scores: Tensor, axis: int, length: int) -> Tensor:
        """Linear between pixels' centres, as `functional.interpolate` does without aligned corners."""
        count = scores.shape[axis]
        centres = torch.arange(length, device=scores.device, dtype=torch.float64) + 0.5
        places = (centres * (count / length) - 0.5).clamp(min=0)
        left = places.long().clamp(max=count - 1)
        right = (left + 1).clamp(max=count - 1)
        share = (places - left).to(scores.dtype)
        share = share[:, None] if axis == -2 else share
        return torch.logaddexp(
            scores.index_select(axis, left) + torch.log1p(-share), scores.index_select(axis, right) + share.log()
        )
