"""Energy of a stretch of work, by the GPU's own counter.

The counter (Volta and later) adds up the whole GPU's energy and is renewed only every few tens of milliseconds. A
window that holds few renewals reads anything between zero and twice the truth, so it is refused with a reason.

The window is that of all samples with the pauses between them, in which the host reads clocks and decides whether to go
on, and the GPU waits. What it draws while it waits with its context open is measured before, so that energy is told
twice: whole, which is what the wall socket sees of such a run, and above idling, which no pause changes and which is
what the work itself costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch

from segbench import nvml
from segbench.meters.sampling import Clock

_FEWEST_RENEWALS = 10
"""Each end of the window is off by up to one renewal: ten keep the error of the window below 10 %."""
_WATCHED_RENEWALS = 3
_PATIENCE_S = 1.0
"""No known counter is renewed more slowly."""


@dataclass(frozen=True)
class Energy:
    """Of one window.

    Attributes:
        joules: of the whole GPU, idle power included; None with a `cause`.
        seconds: the window's length.
        idle_w: what the GPU drew before, waiting; None where its counter tells nothing.
    """

    joules: float | None
    seconds: float
    cause: str | None = None
    idle_w: float | None = None

    @property
    def above_idle_joules(self) -> float | None:
        """What the work took beyond what waiting as long would have."""
        if self.joules is None or self.idle_w is None:
            return None
        return max(0.0, self.joules - self.idle_w * self.seconds)


class EnergyMeter:
    """Reads the counter at both ends of a window.

    Args:
        read_j: the counter in joules since the driver was loaded, or None where there is none.
        cause: why there is none.
        clock: of the host.
    """

    def __init__(self, read_j: Callable[[], float] | None, cause: str = "", clock: Clock = time.perf_counter) -> None:
        self._read = read_j
        self._cause = cause
        self._clock = clock
        self._idle = watch_counter(read_j, clock) if read_j else None
        self._begun = (0.0, 0.0)

    def start(self) -> None:
        self._begun = (self._clock(), self._read() if self._read else 0.0)

    def stop(self) -> Energy:
        """The energy since `start`."""
        seconds = self._clock() - self._begun[0]
        if self._read is None:
            return Energy(None, seconds, self._cause)
        if self._idle is None:
            return Energy(None, seconds, f"the energy counter did not move within {_PATIENCE_S:g} s")
        if seconds < _FEWEST_RENEWALS * self._idle.period_s:
            window = f"the window of {1e3 * seconds:.0f} ms is shorter than {_FEWEST_RENEWALS} renewals of the counter"
            advice = f"(every {1e3 * self._idle.period_s:.0f} ms): raise --min-runs or --max-seconds"
            return Energy(None, seconds, f"{window} {advice}")
        return Energy(self._read() - self._begun[1], seconds, idle_w=self._idle.watts)


@dataclass(frozen=True)
class IdleCounter:
    """The counter of a GPU that waits.

    Attributes:
        period_s: between two renewals.
        watts: mean power between them.
    """

    period_s: float
    watts: float


def watch_counter(read_j: Callable[[], float], clock: Clock = time.perf_counter) -> IdleCounter | None:
    """Watches the counter from one renewal to the third after it; None if it does not move.

    From renewal to renewal both the time and the joules are whole, so that short watching gives a true power.
    """
    start, value = clock(), read_j()
    renewals: list[tuple[float, float]] = []
    while len(renewals) <= _WATCHED_RENEWALS:
        now, latest = clock(), read_j()
        if now - start > _PATIENCE_S:
            break
        if latest != value:
            renewals.append((now, latest))
            value = latest
    if len(renewals) < 2:
        return None
    (begun, low), (ended, high) = renewals[0], renewals[-1]
    return IdleCounter((ended - begun) / (len(renewals) - 1), (high - low) / (ended - begun))


@contextmanager
def energy_meter(device: torch.device) -> Iterator[EnergyMeter]:
    """A meter for the device; elsewhere than on CUDA one that says why it reads nothing."""
    if device.type != "cuda":
        yield EnergyMeter(None, "no energy counter: only NVIDIA GPUs have one that segbench reads")
        return
    with nvml.session() as library:
        yield _cuda_meter(library, device.index or 0)


def _cuda_meter(library: ModuleType | None, index: int) -> EnergyMeter:
    handle = nvml.handle_of(library, index) if library else None
    if library is None or handle is None:
        return EnergyMeter(None, "no energy counter: NVML does not answer for this GPU")
    read = library.nvmlDeviceGetTotalEnergyConsumption
    try:
        read(handle)
    except library.NVMLError as error:
        return EnergyMeter(None, f"no energy counter on this GPU (Volta or later has one): {error}")
    return EnergyMeter(lambda: read(handle) / 1000)
