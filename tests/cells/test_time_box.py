"""A box of time on a clock that only its jobs move."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from segbench.cells.cell import Listener, Result
from segbench.cells.jobs import Job, Single
from segbench.cells.rounds import Rounds
from segbench.cells.time_box import TimeBox
from segbench.records.case import Case
from segbench.statistics.stopping import StopRule

MEASURED = [Single(Case("memory", "unet", device="cuda:0", batch_size=size)) for size in (1, 2, 3, 4)]
PREDICTED = Single(Case("predict", "unet", device="none"))


@dataclass
class Clock:
    """Stands still unless told."""

    now: float = 100.0
    timeouts: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def run(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        self.timeouts.append(timeout_s)
        return Result(case, "ok", None, None, (), 0.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(box: TimeBox, clock: Clock, jobs: list[Job], expected: float, taken: float) -> list[Job]:
    """The jobs that begin where each that must be alone takes so many seconds."""
    found = []
    for job in box.within(jobs, expected):
        found.append(job.job)  # type: ignore[attr-defined]
        clock.now += taken if job.alone else 0.0
    return found


def test_no_job_begins_that_is_expected_to_outlast_the_box(clock: Clock) -> None:
    box = TimeBox(25, clock)
    assert begun(box, clock, MEASURED, expected=10, taken=10) == MEASURED[:2]
    assert box.left_out == [job.case for job in MEASURED[2:]]
    assert box.left == 5


def test_what_is_short_still_begins_when_something_long_was_left_out(clock: Clock) -> None:
    box = TimeBox(8, clock)
    assert begun(box, clock, MEASURED[:1], expected=10, taken=10) == []
    assert begun(box, clock, MEASURED[1:2], expected=5, taken=5) == MEASURED[1:2]


def test_jobs_that_take_longer_than_expected_make_the_next_ones_be_expected_longer(clock: Clock) -> None:
    box = TimeBox(50, clock)
    assert begun(box, clock, MEASURED, expected=10, taken=20) == MEASURED[:2]
    assert box.slowdown == 2


def test_jobs_that_take_less_do_not_make_the_next_ones_be_expected_shorter(clock: Clock) -> None:
    box = TimeBox(100, clock)
    begun(box, clock, MEASURED, expected=10, taken=1)
    assert box.slowdown == 1


def test_a_comparison_is_expected_to_take_as_long_as_all_its_networks(clock: Clock) -> None:
    cases = tuple(Case("latency", name, device="cuda:0") for name in ("unet", "segnode", "hrnetv2"))
    assert begun(TimeBox(29, clock), clock, [Rounds(cases, StopRule())], expected=10, taken=0) == []
    assert len(begun(TimeBox(31, clock), clock, [Rounds(cases, StopRule())], expected=10, taken=0)) == 1


def test_what_may_run_beside_others_comes_first_and_needs_no_time(clock: Clock) -> None:
    box = TimeBox(10, clock)
    assert begun(box, clock, [*MEASURED[:2], PREDICTED], expected=10, taken=10) == [PREDICTED, MEASURED[0]]


def test_nothing_begins_when_the_time_is_over(clock: Clock) -> None:
    box = TimeBox(10, clock)
    clock.now += 10
    assert begun(box, clock, [PREDICTED, *MEASURED], expected=0.1, taken=0) == []


@pytest.mark.parametrize(("left", "timeout"), [(500.0, 180.0), (30.0, 50.0), (-5.0, 15.0), (-100.0, 1.0)])
def test_a_process_ends_soon_after_the_box(clock: Clock, left: float, timeout: float) -> None:
    box = TimeBox(600, clock)
    (job,) = box.within(MEASURED[:1], 1)
    clock.now += 600 - left
    (result,) = job.run(clock.run, 180.0, lambda *_: None)
    assert result.case == MEASURED[0].case
    assert clock.timeouts == [timeout]
