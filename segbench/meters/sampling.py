"""Repeats a timed call until it is steady, then until its median is known well enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from segbench.statistics.steadiness import WINDOW, half_width, is_steady

Clock = Callable[[], float]
"""Seconds since any fixed moment."""


@dataclass(frozen=True)
class Timing:
    """One call.

    Attributes:
        total: seconds from its start to its end on the host's clock.
        parts: seconds of its consecutive parts, on the device's clock where there is one.
    """

    total: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SamplingPlan:
    """How long to repeat in this process; whether more processes are needed is the command's question.

    Attributes:
        warmup, warmup_seconds: calls and time at least before the steady state is looked for; a GPU that was idle
            takes some tenths of a second to raise its clocks.
        min_runs: timed calls, whatever they take.
        max_runs, seconds: no further call starts after either; half of the seconds may go to the warm-up.
        target: relative half-width of the median's interval that is good enough.
        least_seconds: time for timed calls, whatever is known by then; within `seconds`. Equal calls of a GPU reach the
            target after a tenth of a second, in which its energy counter is hardly renewed and no p99 shows.
    """

    warmup: int = 2
    warmup_seconds: float = 0.2
    min_runs: int = 2
    max_runs: int = 10_000
    seconds: float = 6.0
    target: float = 0.01
    least_seconds: float = 0.0


TellCount = Callable[[int], object]
"""Hears after every call how many there were, outside the timed part."""


def _silent(_: int) -> None: ...


def warm_up(
    call: Callable[[], Timing], plan: SamplingPlan, clock: Clock = time.perf_counter, tell: TellCount = _silent
) -> tuple[float, ...]:
    """Calls until the calls are alike or half of the plan's seconds are gone; the totals, for `is_steady` to judge."""
    start = clock()
    totals: list[float] = []
    while not _warm(totals, plan, clock() - start):
        totals.append(call().total)
        tell(len(totals))
    return tuple(totals)


def repeat(
    call: Callable[[], Timing],
    plan: SamplingPlan,
    seconds_gone: float = 0.0,
    clock: Clock = time.perf_counter,
    tell: TellCount = _silent,
) -> tuple[Timing, ...]:
    """Calls until the median is known to the plan's target or a limit is reached; every call's timing in order.

    Args:
        call: does the work once and times itself.
        seconds_gone: of the plan's seconds, by the warm-up.
        clock: for the limit; the samples come from `call`.
    """
    begun = clock()
    start = begun - seconds_gone
    samples: list[Timing] = []
    next_look = plan.min_runs
    while not _limit_reached(samples, plan, clock() - start):
        if (
            len(samples) >= next_look and clock() - begun >= plan.least_seconds
        ):  # looking sorts all samples: at ever larger counts, so that it stays cheap
            if half_width([item.total for item in samples]) <= plan.target:
                break
            next_look = math.ceil(1.25 * next_look)
        samples.append(call())
        tell(len(samples))
    return tuple(samples)


def _warm(totals: list[float], plan: SamplingPlan, seconds: float) -> bool:
    if len(totals) < plan.warmup:
        return False
    if seconds >= plan.seconds / 2:
        return True
    return seconds >= plan.warmup_seconds and len(totals) >= 2 * WINDOW and is_steady(totals)


def _limit_reached(samples: list[Timing], plan: SamplingPlan, seconds: float) -> bool:
    return len(samples) >= plan.min_runs and (len(samples) >= plan.max_runs or seconds >= plan.seconds)
