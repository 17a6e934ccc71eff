"""How sure a score over a set of images is: the images are drawn again with replacement, all scores on the same draws.

One image is the block of the bootstrap; neighbouring frames of a video (CamVid) resemble each other, so the intervals
are somewhat too narrow there. Because every score is computed on the same draws, differences are paired: what makes an
image hard for one end time and for another cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Matrices = NDArray[Any]
"""`(n, C, C)` confusion matrices of single images, rows the true classes."""

RESAMPLES = 1000
_SEED = 20180620
"""The bootstrap's own seed: the same images always give the same interval."""

_TAILS = (2.5, 97.5)


class Resampling:
    """A thousand draws of n images out of n.

    Args:
        images: n.
    """

    def __init__(self, images: int, resamples: int = RESAMPLES) -> None:
        generator = np.random.default_rng(_SEED)
        drawn = generator.multinomial(images, np.full(images, 1 / images), size=resamples)
        self.weights: NDArray[np.float64] = drawn.astype(np.float64)
        """`(resamples, n)` how often each image was drawn."""

    def miou(self, matrices: Matrices) -> Scores:
        """Mean IoU of each draw's summed matrix `(resamples,)`."""
        images, classes, _ = matrices.shape
        sums = self.weights @ matrices.reshape(images, -1).astype(np.float64)
        return mean_iou(sums.reshape(-1, classes, classes))

    def mean(self, values: NDArray[Any]) -> Scores:
        """Mean of a value of each image `(n,)` over each draw `(resamples,)`; one without a value (nan) is left out."""
        there = ~np.isnan(values)
        weights = self.weights[:, there]
        sums, counts = weights @ values[there].astype(np.float64), weights.sum(1)
        means: Scores = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        return means


def mean_iou(matrices: Matrices) -> Scores:
    """`(..., C, C)` matrices to `(...,)` mean IoU over the classes that occur or are predicted; nan where none does."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(np.float64)
    union = matrices.sum(-1) + matrices.sum(-2) - hits
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=union > 0)
    there = (union > 0).sum(-1)
    means: Scores = np.divide(iou.sum(-1), there, out=np.full(np.shape(there), np.nan), where=there > 0)
    return means


def interval(values: Scores) -> tuple[float, float]:
    """The central 95 % of a score over the draws."""
    low, high = np.nanpercentile(values, _TAILS)
    return float(low), float(high)
