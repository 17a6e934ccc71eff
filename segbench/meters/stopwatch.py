"""Times a call and its parts: by the host's clock on the CPU, by events on CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch

from segbench.meters.sampling import Clock, Timing


class Stopwatch(Protocol):
    """`start`, then `lap` after each part, then `stop`; used again and again."""

    def start(self) -> None:
        """Waits until the device is idle, then starts."""

    def lap(self, name: str) -> None:
        """A part has been handed to the device."""

    def stop(self) -> Timing:
        """Waits until the device has finished."""


class HostStopwatch:
    """The host's monotonic clock: right wherever calls return when their work is done.

    Args:
        clock: `time.perf_counter`, or a test's.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._marks: list[tuple[str, float]] = []

    def start(self) -> None:
        self._marks = [("", self._clock())]

    def lap(self, name: str) -> None:
        self._marks.append((name, self._clock()))

    def stop(self) -> Timing:
        begun, ended = self._marks[0][1], self._marks[-1][1]
        pairs = zip(self._marks, self._marks[1:], strict=False)
        return Timing(ended - begun, {name: after - before for (_, before), (name, after) in pairs})


class Event(Protocol):
    """What is needed of `torch.cuda.Event`."""

    def record(self) -> None: ...
    def elapsed_time(self, end: Any, /) -> float:
        """Milliseconds from this event to a later one."""


class CudaStopwatch:
    """Events in the stream split the parts without making the host wait; the host's clock gives the total.

    Calls return before the device has worked, so a host clock alone would time the launches. The parts add up to less
    than the total where the host is too slow to keep the device busy.

    Args:
        new_event: a timing event.
        synchronize: waits for the device.
        clock: of the host.
    """

    def __init__(self, new_event: Callable[[], Event], synchronize: Callable[[], object], clock: Clock) -> None:
        self._new_event = new_event
        self._synchronize = synchronize
        self._clock = clock
        self._begun = 0.0
        self._marks: list[tuple[str, Event]] = []

    def start(self) -> None:
        self._marks = []
        self._synchronize()
        self._begun = self._clock()
        self.lap("")

    def lap(self, name: str) -> None:
        event = self._new_event()
        event.record()
        self._marks.append((name, event))

    def stop(self) -> Timing:
        self._synchronize()
        total = self._clock() - self._begun
        pairs = zip(self._marks, self._marks[1:], strict=False)
        return Timing(total, {name: before.elapsed_time(after) / 1000 for (_, before), (name, after) in pairs})


def stopwatch_for(device: torch.device) -> Stopwatch:
    """The right one for a device."""
    if device.type != "cuda":
        return HostStopwatch()

    def new_event() -> Event:
        return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    return CudaStopwatch(new_event, lambda: torch.cuda.synchronize(device), time.perf_counter)
