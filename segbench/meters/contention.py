"""How much of the machine other programs used while this process measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from segbench.meters.sampling import Clock


@dataclass(frozen=True)
class CpuSeconds:
    """CPU time up to a moment, of the whole machine and of this process with its children, ended ones too."""

    machine: float
    own: float


class ContentionMeter:
    """CPU seconds of others per second of a window, that is, in cores.

    Args:
        read: CPU seconds up to now.
        clock: of the host.
    """

    def __init__(self, read: Callable[[], CpuSeconds] | None = None, clock: Clock = time.perf_counter) -> None:
        self._read = read or _cpu_seconds
        self._clock = clock
        self._begun = (self._clock(), self._read())

    def others_cores(self) -> float:
        """Cores busy with other work since the meter was made; 0 on a machine of our own."""
        seconds = self._clock() - self._begun[0]
        now, before = self._read(), self._begun[1]
        others = (now.machine - before.machine) - (now.own - before.own)
        return round(max(0.0, others) / seconds, 2) if seconds > 0 else 0.0


def _cpu_seconds() -> CpuSeconds:
    times = psutil.cpu_times()
    waiting = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    process = psutil.Process()
    mine = [item.cpu_times() for item in (process, *process.children(recursive=True))]
    ended = sum(item.children_user + item.children_system for item in mine)
    return CpuSeconds(sum(times) - waiting - guests, ended + sum(item.user + item.system for item in mine))
