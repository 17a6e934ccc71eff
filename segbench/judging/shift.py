"""The same image half a cell lower and further right: what depends on where the grid of blocks or regions lies.

The image keeps its size: a mirrored margin comes in at the top and left, and as much is cut off at the bottom and
right. What was cut off counts in neither score.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from segbench.adaptive.run import Run
from segbench.cards.datasets import IGNORE

Shift = tuple[int, int]
"""Rows and columns, in pixels."""


def half_a_cell(run: Run, size: tuple[int, int]) -> Shift | None:
    """Half of a block or region of an image of `size` (H, W); None for units without a grid."""
    if run.grid is None:
        return None
    height, width = run.cell or (size[0] / run.grid[0], size[1] / run.grid[1])
    return round(height / 2), round(width / 2)


def shifted(image: Tensor, by: Shift) -> Tensor:
    """`(1, 3, H, W)` moved down and right."""
    rows, columns = by
    return functional.pad(image, (columns, 0, rows, 0), mode="reflect")[..., : image.shape[-2], : image.shape[-1]]


def shifted_back(scores: Tensor, size: tuple[int, int], by: Shift) -> Tensor:
    """Scores of the shifted image where the image (H, W) has them; what was cut off takes those of its neighbours."""
    rows, columns = by
    whole = functional.interpolate(scores, size=size, mode="bilinear", align_corners=False)
    return functional.pad(whole[..., rows:, columns:], (0, columns, 0, rows), mode="replicate")


def overlap(label: Tensor, size: tuple[int, int], by: Shift) -> Tensor:
    """A label `(h, w)` of an image of `size` (H, W), without what the shift cuts off (255)."""
    height, width = (int(side * (1 - moved / whole)) for side, whole, moved in zip(label.shape, size, by, strict=True))
    left = label.clone()
    left[height:], left[:, width:] = IGNORE, IGNORE
    return left
