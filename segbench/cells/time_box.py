"""A box of time: no job begins that is expected to outlast it, and no process runs far beyond its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from segbench.cells.cell import Listener, Result, RunCase
from segbench.cells.jobs import Job
from segbench.records.case import Case

_GRACE_S = 20.0
"""What a process may take beyond the end: its job began because it was expected to be done by then."""
_LEAST_S = 1.0


class TimeBox:
    """Starts when it is made.

    Args:
        seconds: until its end.
        clock: in seconds; tests give their own.

    Attributes:
        left_out: cases whose jobs did not begin.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._expected = self._taken = 0.0
        self.left_out: list[Case] = []

    @property
    def left(self) -> float:
        """Seconds; negative when it is over."""
        return self._end - self._clock()

    @property
    def slowdown(self) -> float:
        """How much longer jobs took than was expected of them; 1 where they took less."""
        return max(1.0, self._taken / self._expected) if self._expected else 1.0

    def within(self, jobs: Iterable[Job], seconds: float) -> Iterator[Job]:
        """The jobs for which there is time; those that may run beside others are first.

        Whoever takes a job that must be alone runs it before asking for the next.

        Args:
            seconds: that a case of a job that must be alone is expected to take.
        """
        for job in sorted(jobs, key=lambda job: job.alone):
            expected = seconds * len(job.cases) if job.alone else 0.0
            if self.left < max(_LEAST_S, expected * self.slowdown):
                self.left_out += job.cases
                continue
            started = self._clock()
            yield BoxedJob(job, self)
            if job.alone:
                self._expected += expected
                self._taken += self._clock() - started


@dataclass(frozen=True)
class BoxedJob:
    """A job whose processes end soon after the box does."""

    job: Job
    box: TimeBox

    @property
    def cases(self) -> tuple[Case, ...]:
        return self.job.cases

    @property
    def alone(self) -> bool:
        return self.job.alone

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        def in_time(case: Case, timeout_s: float, listen: Listener) -> Result:
            return run_case(case, min(timeout_s, max(self.box.left + _GRACE_S, _LEAST_S)), listen)

        return self.job.run(in_time, timeout_s, listen)
