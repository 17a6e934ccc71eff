"""Paired differences in mIoU on the same images, with their 95 % intervals; every score on the same draws of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.evaluation.confusion import Floats, Matrices, mean_iou
from segbench.statistics.resampling import Resampling, interval


@dataclass(frozen=True)
class Difference:
    """A paired difference with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_gain(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True, eq=False)
class Priced:
    """One way to answer the images.

    Attributes:
        matrices: `(n, C, C)`.
        costs: of each image, or of each of fewer blocks of images; only means are read.
    """

    matrices: Matrices
    costs: Floats


def difference(mine: Matrices, other: Matrices) -> Difference:
    """In mIoU, of two ways to answer the same images `(n, C, C)`."""
    draws = Resampling(len(mine))
    value = float(mean_iou(mine.sum(0)) - mean_iou(other.sum(0)))
    return Difference(value, *interval(mean_iou(draws.sums(mine)) - mean_iou(draws.sums(other))))


def against_curve(mine: Priced, curve: Sequence[Priced]) -> Difference:
    """In mIoU, against a static knob at the same mean cost.

    Between two of its points a straight line, which a random mix of the two would give; a dearer point that is worse
    than a cheaper one is passed over.

    Args:
        mine: costs of each image.
        curve: the knob's points, in any order.
    """
    draws = Resampling(len(mine.matrices))
    points = np.stack([mean_iou(draws.sums(item.matrices)) for item in curve])
    prices = np.stack([draws.mean(item.costs) for item in curve])
    rival = [
        _best_at(cost, price, point)
        for cost, price, point in zip(draws.mean(mine.costs), prices.T, points.T, strict=True)
    ]
    whole = np.array([mean_iou(item.matrices.sum(0)) for item in curve])
    usual = _best_at(float(mine.costs.mean()), np.array([item.costs.mean() for item in curve]), whole)
    value = float(mean_iou(mine.matrices.sum(0))) - usual
    return Difference(value, *interval(mean_iou(draws.sums(mine.matrices)) - np.array(rival)))


def against_draws(mine: Matrices, others: Sequence[Matrices]) -> Difference:
    """In mIoU, against the mean of several random ways; their scatter is part of the interval."""
    draws = Resampling(len(mine))
    own = mean_iou(draws.sums(mine))
    value = float(mean_iou(mine.sum(0)) - np.mean([mean_iou(other.sum(0)) for other in others]))
    return Difference(value, *interval(np.concatenate([own - mean_iou(draws.sums(other)) for other in others])))


def saving(costs: Floats, whole: Floats) -> Difference:
    """The share of the whole cost that is saved, over blocks `(n,)` that were paid both ways."""
    draws = Resampling(len(costs))
    value = 1 - float(costs.mean() / whole.mean())
    return Difference(value, *interval(1 - draws.mean(costs) / draws.mean(whole)))


def _best_at(cost: float, prices: NDArray[np.float64], scores: Floats) -> float:
    order = np.argsort(prices, kind="stable")
    return float(np.interp(cost, prices[order], np.maximum.accumulate(scores[order])))
