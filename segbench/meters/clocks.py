"""What the GPU was doing while it was timed: clocks, temperature, power, and why it was slowed down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from segbench import nvml

_SLOWED = {
    "software power cap": "SwPowerCap",
    "hardware slowdown": "HwSlowdown",
    "software thermal slowdown": "SwThermalSlowdown",
    "hardware thermal slowdown": "HwThermalSlowdown",
    "hardware power brake": "HwPowerBrakeSlowdown",
}
"""NVML's reasons that make a GPU slower than it could be; idling and clocks the user set are none."""


@dataclass(frozen=True)
class GpuState:
    """One reading; None for what the GPU does not tell."""

    sm_mhz: int | None = None
    sm_max_mhz: int | None = None
    memory_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    slowed_by: tuple[str, ...] = ()


class ClockProbe:
    """Reads a GPU's state.

    Args:
        library: `pynvml`, initialised, or None where there is no GPU.
        handle: of the GPU.
    """

    def __init__(self, library: ModuleType | None = None, handle: object = None) -> None:
        self._nvml: Any = library
        self._handle = handle

    def slowed_by(self) -> tuple[str, ...]:
        """The reasons why the GPU is slowed down right now; one call, cheap enough for every sample."""
        if self._nvml is None:
            return ()
        # The names changed from "throttle" to "event" reasons with driver 535; the bits stayed.
        read = getattr(self._nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        read = read or self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons
        bits = self._ask(lambda: read(self._handle)) or 0
        return tuple(name for name, constant in _SLOWED.items() if bits & self._bit(constant))

    def sm_mhz(self) -> int | None:
        """The clock of the multiprocessors right now."""
        lib = self._nvml
        return None if lib is None else self._ask(lambda: lib.nvmlDeviceGetClockInfo(self._handle, lib.NVML_CLOCK_SM))

    def state(self) -> GpuState:
        """Everything at once."""
        lib, gpu = self._nvml, self._handle
        if lib is None:
            return GpuState()
        power = self._ask(lambda: lib.nvmlDeviceGetPowerUsage(gpu))
        limit = self._ask(lambda: lib.nvmlDeviceGetEnforcedPowerLimit(gpu))
        return GpuState(
            sm_mhz=self.sm_mhz(),
            sm_max_mhz=self._ask(lambda: lib.nvmlDeviceGetMaxClockInfo(gpu, lib.NVML_CLOCK_SM)),
            memory_mhz=self._ask(lambda: lib.nvmlDeviceGetClockInfo(gpu, lib.NVML_CLOCK_MEM)),
            temperature_c=self._ask(lambda: lib.nvmlDeviceGetTemperature(gpu, lib.NVML_TEMPERATURE_GPU)),
            power_w=power / 1000 if power is not None else None,
            power_limit_w=limit / 1000 if limit is not None else None,
            slowed_by=self.slowed_by(),
        )

    def _bit(self, constant: str) -> int:
        named = getattr(self._nvml, f"nvmlClocksEventReason{constant}", None)
        return int(named if named is not None else getattr(self._nvml, f"nvmlClocksThrottleReason{constant}", 0))

    def _ask(self, question: Callable[[], int]) -> int | None:
        try:
            return int(question())
        except self._nvml.NVMLError:  # this GPU, or a virtual machine, does not tell this one
            return None


@contextmanager
def clock_probe(device: torch.device) -> Iterator[ClockProbe]:
    """A probe for the device; elsewhere than on CUDA one that reads nothing."""
    if device.type != "cuda":
        yield ClockProbe()
        return
    with nvml.session() as library:
        handle = nvml.handle_of(library, device.index or 0) if library else None
        yield ClockProbe(library if handle is not None else None, handle)
