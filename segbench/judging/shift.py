"""The same image half a block lower and further right: what depends on where the grid of blocks happens to lie."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from segbench.adaptive.run import Run

Shift = tuple[int, int]
"""Rows and columns, in pixels."""


def half_a_block(run: Run, size: tuple[int, int], multiple: int) -> Shift | None:
    """Half of a block or region of an image of `size` (H, W); None for units without a grid.

    Twice the shift is a multiple of what the network's sides must be, so that it takes the padded image too.
    """
    if run.grid is None:
        return None
    blocks = [math.ceil(side / cells / multiple) * multiple for side, cells in zip(size, run.grid, strict=True)]
    return blocks[0] // 2, blocks[1] // 2


def shifted(image: Tensor, by: Shift) -> Tensor:
    """`(1, 3, H, W)` with a mirrored margin of the shift on all four sides."""
    rows, columns = by
    return functional.pad(image, (columns, columns, rows, rows), mode="reflect")


def shifted_back(scores: Tensor, size: tuple[int, int], by: Shift) -> Tensor:
    """Scores of the shifted image at the size (H, W) of the image itself, the margin cut off."""
    (height, width), (rows, columns) = size, by
    whole = functional.interpolate(
        scores, size=(height + 2 * rows, width + 2 * columns), mode="bilinear", align_corners=False
    )
    return whole[..., rows : rows + height, columns : columns + width]
