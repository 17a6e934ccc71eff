"""Stopwatches on a clock and a device that are made up."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from segbench.meters.stopwatch import CudaStopwatch, HostStopwatch, stopwatch_for


def test_the_host_stopwatch_splits_the_time_between_its_laps() -> None:
    watch = HostStopwatch(iter([10.0, 10.5, 12.5]).__next__)
    watch.start()
    watch.lap("forward")
    watch.lap("argmax")
    found = watch.stop()
    assert found.total == 2.5
    assert found.parts == {"forward": 0.5, "argmax": 2.0}


@dataclass
class Device:
    """A device that works behind the host: launching takes 1 ms, the work itself as long as it is told."""

    host: float = 0.0
    idle_at: float = 0.0
    events: list[float] = field(default_factory=list)

    def launch(self, seconds: float) -> None:
        self.host += 0.001
        self.idle_at = max(self.idle_at, self.host) + seconds

    def synchronize(self) -> None:
        self.host = max(self.host, self.idle_at)

    def clock(self) -> float:
        return self.host

    def new_event(self) -> Event:
        return Event(self)


@dataclass
class Event:
    device: Device
    at: float = 0.0

    def record(self) -> None:
        self.at = max(self.device.host, self.device.idle_at)

    def elapsed_time(self, end: Event) -> float:
        return 1000 * (end.at - self.at)


def test_the_cuda_stopwatch_times_the_device_and_not_the_launches() -> None:
    device = Device()
    watch = CudaStopwatch(device.new_event, device.synchronize, device.clock)
    device.launch(5.0)  # work of before must not count
    watch.start()
    device.launch(0.2)
    watch.lap("forward")
    device.launch(0.1)
    watch.lap("argmax")
    found = watch.stop()
    assert found.parts["forward"] == pytest.approx(0.201)
    assert found.parts["argmax"] == pytest.approx(0.1)
    assert found.total == pytest.approx(0.301)


def test_the_cpu_gets_the_host_stopwatch() -> None:
    assert isinstance(stopwatch_for(torch.device("cpu")), HostStopwatch)
