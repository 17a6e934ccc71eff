"""The clock probe on a made-up NVML, new and old, generous and tight-lipped."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pynvml
import pytest
import torch

from segbench.meters.clocks import ClockProbe, GpuState, clock_probe


class NVMLError(Exception):
    pass


def refuse(*_: object) -> int:
    raise NVMLError("Not Supported")


def library(reasons: int, old: bool = False, **changes: object) -> SimpleNamespace:
    word = "ThrottleReason" if old else "EventReason"
    bits = {f"nvmlClocks{word}{name}": bit for name, bit in
            {"SwPowerCap": 4, "HwSlowdown": 8, "SwThermalSlowdown": 32, "HwThermalSlowdown": 64,
             "HwPowerBrakeSlowdown": 128}.items()}  # fmt: skip
    functions = {
        f"nvmlDeviceGetCurrentClocks{word}s": lambda handle: reasons,
        "nvmlDeviceGetClockInfo": lambda handle, kind: {1: 1410, 2: 1593}[kind],
        "nvmlDeviceGetMaxClockInfo": lambda handle, kind: 1980,
        "nvmlDeviceGetTemperature": lambda handle, sensor: 71,
        "nvmlDeviceGetPowerUsage": lambda handle: 650_500,
        "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 700_000,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
        "NVMLError": NVMLError,
    }
    return SimpleNamespace(**{**bits, **functions, **changes})


@pytest.mark.parametrize("old", [False, True])
def test_the_reasons_that_slow_a_card_are_named_and_idling_is_none(old: bool) -> None:
    probe = ClockProbe(library(1 | 4 | 64, old), "GPU")  # type: ignore[arg-type]
    assert probe.slowed_by() == ("software power cap", "hardware thermal slowdown")
    assert ClockProbe(library(1 | 2, old), "GPU").slowed_by() == ()  # type: ignore[arg-type]


def test_a_state_has_clocks_temperature_and_power_in_plain_units() -> None:
    found = ClockProbe(library(0), "GPU").state()  # type: ignore[arg-type]
    assert found == GpuState(1410, 1980, 1593, 71, 650.5, 700.0, ())


def test_what_a_card_does_not_tell_is_missing_and_not_zero() -> None:
    silent = library(0, nvmlDeviceGetPowerUsage=refuse, nvmlDeviceGetCurrentClocksEventReasons=refuse)
    found = ClockProbe(silent, "GPU").state()  # type: ignore[arg-type]
    assert (found.power_w, found.temperature_c, found.slowed_by) == (None, 71, ())


def test_without_a_card_nothing_is_known() -> None:
    with clock_probe(torch.device("cpu")) as probe:
        assert probe.state() == GpuState()
        assert probe.slowed_by() == ()


def test_without_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with clock_probe(torch.device("cuda:0")) as probe:
        assert probe.state() == GpuState()


def test_every_name_that_is_used_exists_in_the_real_library() -> None:
    made_up = {name for name in vars(library(0)) if name != "NVMLError"}
    assert made_up <= set(dir(pynvml))
    assert pynvml.nvmlClocksEventReasonHwThermalSlowdown == 64
