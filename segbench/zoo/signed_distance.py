"""Signed distance to the boundary of a mask, in torch alone, so that it runs where the network runs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def signed_distance(mask: Tensor, reach: int) -> Tensor:
    """How far each pixel's centre is from the boundary, negative inside; cut off at `reach`.

    The boundary lies half way between a pixel of the mask and its neighbour outside, so no pixel has distance 0.

    Args:
        mask: `(N, C, H, W)`, bool.
        reach: in pixels, at least 1.

    Returns:
        `(N, C, H, W)`, float32, in pixels, -reach..reach; a mask without boundary has the same everywhere.
    """
    outside, inside = _distance(mask, reach), _distance(~mask, reach)
    return torch.where(mask, 0.5 - inside, outside - 0.5).clamp(-reach, reach)


def _distance(mask: Tensor, reach: int) -> Tensor:
    """Euclidean distance to the nearest pixel of the mask, exact up to `reach`, more than it beyond.

    Separable: the distance along the rows first, then the least of its squares and those of the steps between rows.
    """
    far = reach + 1
    along = torch.where(mask, 0.0, float(far))
    step = 1
    while step <= reach:  # doubling: each pass sees twice as far
        along = torch.minimum(along, torch.minimum(_moved(along, step, far), _moved(along, -step, far)) + step)
        step *= 2
    squares = along.clamp(max=far).square().transpose(2, 3)
    least = squares
    for rows in range(1, reach + 1):
        near = torch.minimum(_moved(squares, rows, far**2), _moved(squares, -rows, far**2))
        least = torch.minimum(least, near + rows**2)
    return least.transpose(2, 3).sqrt()


def _moved(maps: Tensor, by: int, fill: float) -> Tensor:
    """The maps moved along their last axis, `fill` coming in."""
    length = maps.shape[-1]
    if abs(by) >= length:
        return torch.full_like(maps, fill)
    if by > 0:
        return functional.pad(maps[..., : length - by], (by, 0), value=fill)
    return functional.pad(maps[..., -by:], (0, -by), value=fill)
