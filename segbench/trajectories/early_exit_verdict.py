"""Whether a stopping rule gains anything: against both static curves, and against its own stops dealt out by chance.

A rule that stops all images alike is a static end time under another name. So its mIoU is set beside what the static
curves give for the same mean number of evaluations (between two points a straight line: what a random mix of the two
would give), and beside the same stops permuted over the images, which spend exactly the same and choose nothing. Only
where all three differences lie above zero with their whole interval is there a gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segbench.evaluation.confusion import Floats, Matrices, mean_iou
from segbench.evaluation.paired import Difference
from segbench.statistics.resampling import SEED, Resampling, interval
from segbench.trajectories.costs import Effort
from segbench.trajectories.subject import End
from segbench.trajectories.sweep import Sweep

_PERMUTATIONS = 200


@dataclass(frozen=True, eq=False)
class StaticCurve:
    """A static knob's points.

    Attributes:
        costs: evaluations of f, increasing.
        matrices: `(n, C, C)` of each point.
    """

    costs: tuple[float, ...]
    matrices: tuple[Matrices, ...]


@dataclass(frozen=True)
class EarlyExitVerdict:
    """A rule judged.

    Attributes:
        miou: with its interval.
        against: control -> difference; a control that was not measured is left out.
    """

    miou: float
    low: float
    high: float
    against: dict[str, Difference]

    @property
    def gains(self) -> bool:
        """Whether every control confirms it; never without all three."""
        return len(self.against) == len(CONTROLS) and all(item.is_gain for item in self.against.values())


CONTROLS = ("shorter", "coarser", "permuted")
"""The end-time curve, the step-number curve, the rule's stops permuted over the images."""


def judge_early_exit(
    stops: NDArray[np.int64],
    costs: NDArray[np.float64],
    grid: Sequence[Matrices],
    curves: Mapping[str, StaticCurve],
) -> EarlyExitVerdict:
    """Sets a rule beside its controls, on the same images.

    Args:
        stops: the grid's point at which each image ended `(n,)`.
        costs: evaluations each image took part in `(n,)`.
        grid: matrices `(n, C, C)` of all images at every point of the grid.
        curves: `shorter` and `coarser`, or one of them.
    """
    resampling = Resampling(len(stops))
    chosen = _dealt(grid, stops)
    mine, value = mean_iou(resampling.sums(chosen)), float(mean_iou(chosen.sum(0)))
    spent = resampling.mean(costs)
    against = {}
    for name, curve in curves.items():
        points = np.stack([mean_iou(resampling.sums(matrices)) for matrices in curve.matrices])
        rival = np.array([np.interp(cost, curve.costs, column) for cost, column in zip(spent, points.T, strict=True)])
        whole = [float(mean_iou(matrices.sum(0))) for matrices in curve.matrices]
        difference = value - float(np.interp(costs.mean(), curve.costs, whole))
        against[name] = Difference(difference, *interval(mine - rival))
    permuted = _permuted(stops, grid)
    low, high = interval(value - permuted)
    against["permuted"] = Difference(value - float(permuted.mean()), low, high)
    return EarlyExitVerdict(value, *interval(mine), against)


def static_curves(sweep: Sweep, efforts: Mapping[End, Effort]) -> dict[str, StaticCurve]:
    """Both static curves by evaluations of f; the whole solve belongs to both."""
    curves = {}
    for name, ends in (("shorter", sweep.times), ("coarser", [*sweep.coarser, sweep.reference])):
        costs = {end: float(efforts[end].evaluations or 0.0) for end in ends}
        ordered = sorted(ends, key=costs.__getitem__)
        if len(ends) > 1:
            curves[name] = StaticCurve(tuple(costs[end] for end in ordered), tuple(sweep.of(end) for end in ordered))
    return curves


def oracle_stops(grid: Sequence[Matrices], tolerance: float) -> NDArray[np.int64]:
    """For each image the first point, from 1, whose own mean IoU is at most `tolerance` below the last point's."""
    scores = np.stack([mean_iou(matrices) for matrices in grid[1:]])
    good: NDArray[np.bool_] = scores >= scores[-1] - tolerance
    first: NDArray[np.int64] = np.argmax(good, axis=0).astype(np.int64) + 1
    return first


def _dealt(grid: Sequence[Matrices], stops: NDArray[np.int64]) -> Matrices:
    """Each image's matrix at its own stop `(n, C, C)`."""
    return np.stack([grid[stop][image] for image, stop in enumerate(stops)])


def _permuted(stops: NDArray[np.int64], grid: Sequence[Matrices]) -> Floats:
    generator = np.random.default_rng(SEED)
    return np.array([mean_iou(_dealt(grid, generator.permutation(stops)).sum(0)) for _ in range(_PERMUTATIONS)])
