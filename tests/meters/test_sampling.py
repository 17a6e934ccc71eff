"""Warm-up and stop rule of one process, driven by a clock that only moves when a call takes time."""

from __future__ import annotations

from collections.abc import Iterator

from segbench.meters.sampling import SamplingPlan, Timing, repeat, warm_up
from segbench.statistics.steadiness import is_steady


class Work:
    """Calls that take the given times, the last one for ever after; also the clock that sees them pass."""

    def __init__(self, *seconds: float) -> None:
        self._seconds: Iterator[float] = iter(seconds)
        self._latest = 0.0
        self.now = 0.0

    def call(self) -> Timing:
        self._latest = next(self._seconds, self._latest)
        self.now += self._latest
        return Timing(self._latest)

    def clock(self) -> float:
        return self.now


QUICK = SamplingPlan(warmup=2, warmup_seconds=0.0, seconds=100)


def test_the_warm_up_ends_when_six_calls_show_two_alike_windows() -> None:
    work = Work(5.0, 1.4, 1.0)
    found = warm_up(work.call, QUICK, work.clock)
    assert found == (5.0, 1.4, 1.0, 1.0, 1.0, 1.0, 1.0)[: len(found)]
    assert len(found) == 7, "the median of (5, 1.4, 1) is 1.4; that of (1.4, 1, 1) is 1"
    assert is_steady(found)


def test_a_warm_up_that_never_steadies_takes_half_of_the_time_and_says_so() -> None:
    work = Work(*(2.0**-number for number in range(40)))
    plan = SamplingPlan(warmup=2, warmup_seconds=0.0, seconds=3.9)
    found = warm_up(work.call, plan, work.clock)
    assert sum(found) >= 1.95
    assert not is_steady(found)


def test_slow_calls_are_warmed_up_as_often_as_was_asked_and_no_more() -> None:
    work = Work(10.0)
    assert len(warm_up(work.call, SamplingPlan(warmup=2, seconds=6), work.clock)) == 2


def test_quick_calls_are_warmed_up_until_the_clocks_have_risen() -> None:
    work = Work(0.001)
    assert sum(warm_up(work.call, SamplingPlan(warmup_seconds=0.2), work.clock)) >= 0.2


def test_equal_calls_stop_as_soon_as_an_interval_exists() -> None:
    work = Work(1.0)
    assert len(repeat(work.call, SamplingPlan(min_runs=6, seconds=100), clock=work.clock)) == 6
    assert len(repeat(work.call, SamplingPlan(min_runs=2, seconds=100), clock=work.clock)) == 7


def test_equal_calls_go_on_for_the_least_window() -> None:
    work = Work(0.01)
    plan = SamplingPlan(seconds=6, least_seconds=1.5)
    assert 150 <= len(repeat(work.call, plan, seconds_gone=3, clock=work.clock)) <= 153


def test_the_least_window_does_not_outlast_the_plans_seconds() -> None:
    work = Work(0.01)
    assert len(repeat(work.call, SamplingPlan(seconds=1, least_seconds=1.5), clock=work.clock)) <= 101


def test_noisy_calls_go_on_to_the_limit_of_runs() -> None:
    work = Work(*([1.0, 2.0] * 50))
    assert len(repeat(work.call, SamplingPlan(max_runs=40, seconds=1e9), clock=work.clock)) == 40


def test_noisy_calls_go_on_to_the_limit_of_time_and_the_warm_up_counts() -> None:
    work = Work(*([1.0, 2.0] * 50))
    assert len(repeat(work.call, SamplingPlan(seconds=9), seconds_gone=3, clock=work.clock)) == 4


def test_the_fewest_runs_are_made_whatever_they_take() -> None:
    work = Work(1000.0)
    assert len(repeat(work.call, SamplingPlan(min_runs=3, seconds=1), clock=work.clock)) == 3


def test_every_call_is_told() -> None:
    heard: list[int] = []
    work = Work(1.0)
    repeat(work.call, SamplingPlan(min_runs=3, max_runs=3), clock=work.clock, tell=heard.append)
    assert heard == [1, 2, 3]
