"""The CUDA meter against a device made by hand: what is asked, in which order, and what a missing reading says."""

from __future__ import annotations

import os
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segbench import nvml
from segbench.meters import cuda_memory
from segbench.meters.cuda_memory import bytes_used_by_others, measure_cuda_peaks, process_bytes, remember_level

DEVICE = torch.device("cuda:0")


class FakeCuda:
    """An allocator whose first two steps are cuDNN's trials, and which keeps a cache until it is emptied."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.steps = 0
        self.peak = self.cache = self.reserved_peak = 0

    def step(self) -> None:
        self.steps += 1
        used = 6_000 if self.steps <= 2 else 2_000
        self.cache = max(self.cache, used)
        self.peak = max(self.peak, used)
        self.reserved_peak = max(self.reserved_peak, self.cache)

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.calls.append("reset")
        self.peak, self.reserved_peak = 0, self.cache

    def empty_cache(self) -> None:
        self.calls.append("empty")
        self.cache = 0

    def synchronize(self, device: torch.device) -> None:
        self.calls.append("sync")

    def max_memory_allocated(self, device: torch.device) -> int:
        return self.peak

    def max_memory_reserved(self, device: torch.device) -> int:
        return self.reserved_peak

    def memory_reserved(self, device: torch.device) -> int:
        return self.cache

    def memory_stats(self, device: torch.device) -> dict[str, int]:
        return {"num_alloc_retries": 0}


class FakeNvml:
    NVMLError = RuntimeError
    nvmlMemory_v2 = 2  # noqa: N815

    def __init__(self, processes: list[Any], used: int = 0) -> None:
        self._processes, self._used = processes, used

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[Any]:
        return self._processes

    def nvmlDeviceGetMemoryInfo(self, handle: object, version: int = 1) -> SimpleNamespace:
        return SimpleNamespace(used=self._used, total=10**10)


def use_nvml(monkeypatch: pytest.MonkeyPatch, library: object | None) -> None:
    @contextmanager
    def session() -> Any:
        yield library

    monkeypatch.setattr(nvml, "session", session)
    monkeypatch.setattr(nvml, "handle_of", lambda *_: "handle")


def test_the_autotuning_spike_is_kept_out_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    monkeypatch.setattr(cuda_memory.torch, "cuda", fake)
    use_nvml(monkeypatch, None)
    peaks = measure_cuda_peaks(fake.step, DEVICE, warmup=2, repeats=2)
    assert (peaks.first_allocated, peaks.allocated, peaks.reserved) == (6_000, 2_000, 2_000)
    assert fake.calls == ["reset", "sync", "empty", "reset", "sync"]
    assert peaks.process is None
    assert peaks.process_cause == "NVML is not available"


def test_what_a_retry_released_belongs_to_the_processs_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    monkeypatch.setattr(cuda_memory.torch, "cuda", fake)
    use_nvml(monkeypatch, FakeNvml([SimpleNamespace(pid=os.getpid(), usedGpuMemory=700)]))

    def step() -> None:
        fake.step()
        fake.cache -= 1_500

    peaks = measure_cuda_peaks(step, DEVICE, warmup=0, repeats=1)
    assert (peaks.reserved, peaks.process) == (6_000, 2_200)
    assert peaks.first_allocated is None, "no step was a warm-up step"


def test_nvml_gives_this_processes_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=700)
    use_nvml(monkeypatch, FakeNvml([SimpleNamespace(pid=1, usedGpuMemory=9), mine], used=1_000))
    found = process_bytes(DEVICE)
    assert (found.bytes, found.cause, found.how) == (700, None, None)
    assert bytes_used_by_others(DEVICE) == 300


@pytest.mark.parametrize(
    ("processes", "cause"),
    [([], "container"), ([SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)], "without its memory")],
)
def test_a_reading_nvml_cannot_give_is_none_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, processes: list[Any], cause: str
) -> None:
    use_nvml(monkeypatch, FakeNvml(processes, used=1_000))
    found = process_bytes(DEVICE)
    assert found.bytes is None
    assert cause in str(found.cause)
    assert bytes_used_by_others(DEVICE) is None


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    found: dict[int, int] = {}
    monkeypatch.setattr(cuda_memory, "_LEVEL_BEFORE", found)
    return found


def test_where_nvml_hides_the_process_the_devices_level_before_it_is_taken_off(
    monkeypatch: pytest.MonkeyPatch, levels: dict[int, int]
) -> None:
    """In a container NVML lists the process under the host's number, or not at all."""
    library = FakeNvml([SimpleNamespace(pid=-1, usedGpuMemory=700)], used=300)
    use_nvml(monkeypatch, library)
    remember_level(DEVICE)
    library._used = 1_000
    remember_level(DEVICE)
    found = process_bytes(DEVICE)
    assert found.bytes == 700 and found.cause is None
    assert "whole GPU" in str(found.how) and "a container?" in str(found.how)
    assert bytes_used_by_others(DEVICE) == 300


def test_a_level_read_after_torch_has_its_context_is_not_that_before(
    monkeypatch: pytest.MonkeyPatch, levels: dict[int, int]
) -> None:
    use_nvml(monkeypatch, FakeNvml([], used=900))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    remember_level(DEVICE)
    assert not levels and process_bytes(DEVICE).bytes is None


def test_a_level_above_todays_tells_nothing(monkeypatch: pytest.MonkeyPatch, levels: dict[int, int]) -> None:
    levels[0] = 5_000
    use_nvml(monkeypatch, FakeNvml([], used=900))
    assert process_bytes(DEVICE).bytes is None, "another program has gone since"


@pytest.mark.parametrize(("ready_after", "steps"), [(0, 2 + 2), (5, 5 + 2), (99, 20 + 2)])
def test_the_warm_up_goes_on_until_the_step_is_a_usual_one(
    monkeypatch: pytest.MonkeyPatch, ready_after: int, steps: int
) -> None:
    fake = FakeCuda()
    monkeypatch.setattr(cuda_memory.torch, "cuda", fake)
    use_nvml(monkeypatch, None)
    measure_cuda_peaks(fake.step, DEVICE, warmup=2, repeats=2, is_warm=lambda: fake.steps >= ready_after)
    assert fake.steps == steps
