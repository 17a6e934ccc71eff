"""The times of a solve on a fixed grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.errors import UserError

_SAME_POINT = 1e-6
"""In steps: a requested time this near to a point of the grid is meant to be that point."""


@dataclass(frozen=True)
class TimeGrid:
    """Where a solver steps, and what it hands back.

    Attributes:
        times: increasing, the first is where the given state is.
        kept: indices of the times whose states are wanted, increasing; never 0, and the last time is always one.
    """

    times: tuple[float, ...]
    kept: tuple[int, ...]

    @property
    def steps(self) -> int:
        return len(self.times) - 1

    def step(self, number: int) -> tuple[float, float]:
        """Time at which step `number` starts, and its length."""
        return self.times[number], self.times[number + 1] - self.times[number]


def uniform_grid(t_end: float, steps: int, wanted: Sequence[float]) -> TimeGrid:
    """The points `i t_end / steps` up to the last wanted time.

    Args:
        t_end: end of the interval that starts at 0.
        steps: of the whole interval.
        wanted: increasing times in (0, t_end], each a point of the grid.

    Raises:
        UserError: a wanted time is not on the grid or there twice, the interval is empty, or there is no step.
    """
    if t_end <= 0 or steps < 1:
        raise UserError(f"t_end is {t_end:g} and steps {steps}; both must be positive")
    length = t_end / steps
    kept = tuple(round(time / length) for time in wanted)
    for time, index in zip(wanted, kept, strict=True):
        if abs(time / length - index) > _SAME_POINT or not 1 <= index <= steps:
            points = ", ".join(f"{i * length:g}" for i in range(steps + 1))
            raise UserError(
                f"time {time:g} is not a point of the solver's grid ({points}); choose among them or set steps"
            )
    if len(set(kept)) < len(kept):
        raise UserError(f"times {', '.join(f'{time:g}' for time in wanted)} name a point of the solver's grid twice")
    return TimeGrid(tuple(i * length for i in range(kept[-1] + 1)), kept)
