"""The energy meter on a GPU whose counter is renewed in steps, as real ones are."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from segbench.meters.energy import EnergyMeter, IdleCounter, energy_meter, watch_counter


class SteppingCounter:
    """100 W, counted every 20 ms; looking at the clock takes a millisecond."""

    def __init__(self, watts: float = 100.0, period: float = 0.02) -> None:
        self.now = 0.0
        self._watts, self._period = watts, period

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def read(self) -> float:
        return self._watts * self._period * int(self.now / self._period)


def test_period_and_idle_power_are_found_by_watching() -> None:
    counter = SteppingCounter()
    found = watch_counter(counter.read, counter.clock)
    assert found is not None
    assert found.period_s == pytest.approx(0.02, abs=0.002)
    assert found.watts == pytest.approx(100, rel=0.05)


def test_a_slow_counter_is_watched_for_as_long_as_patience_lasts() -> None:
    counter = SteppingCounter(period=0.4)
    found = watch_counter(counter.read, counter.clock)
    assert found is not None and found.period_s == pytest.approx(0.4, abs=0.002)


class WorkingCounter(SteppingCounter):
    """100 W, and 300 W from the moment it is put to work."""

    work_from = float("inf")

    def read(self) -> float:
        renewals = max(0, int((self.now - self.work_from) / self._period)) if self.now > self.work_from else 0
        return super().read() + 200 * self._period * renewals


def test_energy_is_told_with_and_without_what_waiting_would_have_drawn() -> None:
    counter = WorkingCounter()
    meter = EnergyMeter(counter.read, clock=counter.clock)
    counter.work_from = counter.now
    meter.start()
    counter.now += 2.0
    found = meter.stop()
    assert found.joules == pytest.approx(600, rel=0.02)
    assert found.above_idle_joules == pytest.approx(400, rel=0.05)


def test_a_long_window_reads_watts_times_seconds() -> None:
    counter = SteppingCounter()
    meter = EnergyMeter(counter.read, clock=counter.clock)
    meter.start()
    counter.now += 2.0
    found = meter.stop()
    assert found.joules == pytest.approx(200, rel=0.02)
    assert found.cause is None


def test_a_window_shorter_than_the_counters_period_says_so_instead_of_zero() -> None:
    counter = SteppingCounter()
    meter = EnergyMeter(counter.read, clock=counter.clock)
    meter.start()
    counter.now += 0.005
    found = meter.stop()
    assert found.joules is None
    assert found.cause is not None and "shorter than 10 renewals" in found.cause and "--max-seconds" in found.cause


def test_a_counter_that_stands_still_is_told() -> None:
    counter = SteppingCounter(watts=0.0)
    meter = EnergyMeter(counter.read, clock=counter.clock)
    meter.start()
    counter.now += 5.0
    assert meter.stop().cause == "the energy counter did not move within 1 s"


def test_elsewhere_than_on_cuda_there_is_a_reason() -> None:
    with energy_meter(torch.device("cpu")) as meter:
        meter.start()
        found = meter.stop()
    assert found.joules is None
    assert "only NVIDIA GPUs" in str(found.cause)


class NVMLError(Exception):
    pass


def fake_pynvml(**functions: object) -> ModuleType:
    return SimpleNamespace(  # type: ignore[return-value]
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: f"GPU {index}",
        **functions,
    )


def test_an_old_card_without_the_counter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: object) -> int:
        raise NVMLError("Not Supported")

    monkeypatch.setitem(sys.modules, "pynvml", fake_pynvml(nvmlDeviceGetTotalEnergyConsumption=refuse))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with energy_meter(torch.device("cuda:0")) as meter:
        meter.start()
        assert "Volta or later" in str(meter.stop().cause)


def test_millijoules_become_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(range(10_000, 10_000_000, 5_000))  # 5 J at every look

    monkeypatch.setitem(
        sys.modules, "pynvml", fake_pynvml(nvmlDeviceGetTotalEnergyConsumption=lambda _: next(readings))
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with energy_meter(torch.device("cuda:0")) as meter:
        meter._idle = IdleCounter(0.0, 50.0)
        meter.start()
        assert meter.stop().joules == pytest.approx(5.0)


def test_a_machine_without_a_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with energy_meter(torch.device("cuda:0")) as meter:
        meter.start()
        assert "NVML does not answer" in str(meter.stop().cause)
