"""Tells the command how far a task has come: twice a second, not at every call, for a pipe costs microseconds too."""

from __future__ import annotations

import time
from collections.abc import Callable

from segbench.meters.sampling import Clock
from segbench.tasks.protocol import Reporter

_EVERY_S = 0.5


class Progress:
    """Passes a stage's progress on at its first step, then twice a second, and at its end.

    Args:
        report: hears it.
        clock: of the host.
    """

    def __init__(self, report: Reporter, clock: Clock = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._stage: str | None = None
        self._next = 0.0

    def __call__(self, stage: str, done: int, total: int = 0) -> None:
        """Step `done` of `total` has ended; total 0 means unknown."""
        now = self._clock()
        if stage == self._stage and now < self._next and done != total:
            return
        self._stage, self._next = stage, now + _EVERY_S
        self._report.progress(stage, done, total)

    def of(self, stage: str, total: int = 0) -> Callable[[int], None]:
        """The same for one stage alone: hears how many steps are done."""
        return lambda done: self(stage, done, total)
