"""The share of a call's time in which the GPU has anything to do; the rest it waits for the host to launch.

Where it is low, the time tells Python's and the driver's speed rather than the network's arithmetic: a CUDA graph, a
larger batch or a faster host helps, and a faster GPU does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil

import torch
from torch.profiler import ProfilerActivity, profile

Interval = tuple[float, float]
"""Start and end in microseconds."""

_WATCHED_S = 0.3
_FEWEST, _MOST = 3, 50
"""Calls that are watched."""


@dataclass(frozen=True)
class Busy:
    """What was found.

    Attributes:
        fraction: 0..1; None with a `cause`.
    """

    fraction: float | None
    cause: str | None = None


def measure_busy(call: Callable[[], object], seconds: float, device: torch.device) -> Busy:
    """Watches some calls by the profiler.

    The profiler slows launches down, but not kernels: their time is set against a call's time without it.

    Args:
        call: what was timed.
        seconds: its median time, measured without the profiler.
        device: the case's.
    """
    if device.type != "cuda":
        return Busy(None, "no GPU: the host does the work itself")
    count = min(_MOST, max(_FEWEST, ceil(_WATCHED_S / seconds)))
    try:
        intervals = _device_intervals(call, count, device)
    except RuntimeError as error:  # CUPTI is missing, or the driver keeps counters for administrators
        return Busy(None, f"the profiler does not work here: {str(error).partition(chr(10))[0]}")
    if not intervals:
        return Busy(None, "the profiler saw no kernel (it needs CUPTI, and no other profiler at the same time)")
    return Busy(min(1.0, union_length(intervals) / 1e6 / count / seconds))


def _device_intervals(call: Callable[[], object], count: int, device: torch.device) -> list[Interval]:
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        for _ in range(count):
            call()
        torch.cuda.synchronize(device)
    return [
        (event.time_range.start, event.time_range.end)
        for event in watched.events() or ()
        if event.device_type.name == "CUDA" and not event.is_user_annotation
    ]


def union_length(intervals: Iterable[Interval]) -> float:
    """Length of what intervals cover together: kernels and copies on several streams count once."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered
