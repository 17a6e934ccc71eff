"""The memory task: a network whose bytes are counted by hand on the CPU, and a GPU made by hand.

The network scales one channel into C classes. Of P pixels, all float32: images 12 P bytes, int64 labels 8 P, scores
4 C P, and so every other map of classes. Where the peaks lie:

    inference   images, scores                                                               (12 + 4 C) P
    training    images, labels, and in the backward pass of the softmax its result,
                the gradient that comes in and the one that goes out                         (20 + 12 C) P
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segbench import nvml
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.tasks import memory
from segbench.units import MIB
from segbench.workload.step import Workload, build_workload

NETWORK = """
import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, classes=11):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(classes, 1, 1))

    def forward(self, images):
        return images[:, :1] * self.scale
"""
CLASSES, WIDTH, HEIGHT = 11, 40, 30
PARAMETER_BYTES = 4 * CLASSES
SCALARS = 256
"""The loss, its gradient, the sum of weights and the like are a few bytes each."""


def training_bytes(images: int) -> int:
    return (20 + 12 * CLASSES) * images * WIDTH * HEIGHT


def inference_bytes(images: int) -> int:
    return (12 + 4 * CLASSES) * images * WIDTH * HEIGHT


@dataclass
class Heard:
    """Keeps what the task tells, in order."""

    rows: list[Measurement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int]] = field(default_factory=list)

    def measured(self, measurement: Measurement) -> None:
        self.rows.append(measurement)

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:
        self.steps.append((stage, done, total))

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def value(self, name: str) -> float:
        (row,) = [row for row in self.rows if row.quantity == name]
        assert row.value is not None
        return row.value


@pytest.fixture
def case(tmp_path: Path) -> Case:
    file = tmp_path / "network.py"
    file.write_text(NETWORK)
    return Case("memory", f"{file}:Scale", width=WIDTH, height=HEIGHT, batch_size=2, infer_batch=3, optimizer="sgd")


def told(case: Case) -> Heard:
    heard = Heard()
    memory.run(case, heard)
    return heard


def test_an_inferences_live_bytes_are_weights_images_and_scores(case: Case) -> None:
    heard = told(replace(case, modes=("infer",)))
    assert heard.value("infer_peak_live_bytes") == PARAMETER_BYTES + inference_bytes(3)
    assert heard.value("infer_kernel_scratch_bytes") == 0


def test_a_training_steps_live_bytes_are_its_batch_and_three_maps_of_the_softmax(case: Case) -> None:
    found = told(replace(case, modes=("train",))).value("train_peak_live_bytes")
    assert 0 < found - training_bytes(2) - 2 * PARAMETER_BYTES < SCALARS, "weights and momentum"


def test_bytes_grow_by_one_images_share_with_the_batch(case: Case) -> None:
    few, more = (
        told(replace(case, batch_size=batch, modes=("train",))).value("train_peak_live_bytes") for batch in (1, 2)
    )
    assert more - few == training_bytes(1)


def test_the_warm_ups_peak_is_told_apart_from_the_steady_steps(case: Case) -> None:
    heard = told(replace(case, warmup=1, modes=("train",)))
    first, steady = heard.value("train_first_step_peak_bytes"), heard.value("train_peak_live_bytes")
    assert steady - first == PARAMETER_BYTES, "the first step has no momentum yet"


@pytest.mark.parametrize("optimizer", ["none", "sgd", "adamw", "muon"])
def test_a_step_without_warm_up_has_the_optimizers_state_all_the_same(case: Case, optimizer: str) -> None:
    training = replace(case, optimizer=optimizer, width=320, height=260, modes=("train",))
    with_warm_up, without = (told(replace(training, warmup=steps)) for steps in (1, 0))
    assert without.value("train_peak_live_bytes") == with_warm_up.value("train_peak_live_bytes")
    assert "train_first_step_peak_bytes" not in {row.quantity for row in without.rows}


def test_every_quantity_has_its_mode_and_its_batch(case: Case) -> None:
    heard = told(case)
    counted, others = heard.rows[:2], heard.rows[2:]
    assert {row.quantity: row.value for row in counted} == {"parameters": CLASSES, "trainable_parameters": CLASSES}
    names = ("peak_live_bytes", "kernel_scratch_bytes", "first_step_peak_bytes", "peak_process_bytes")
    assert [row.quantity for row in others] == [f"{mode}_{name}" for mode in ("train", "infer") for name in names]
    batches = {(row.mode, row.factors["batch_size"], row.method) for row in others}
    assert batches == {("train", 2, "measured:host"), ("infer", 3, "measured:host")}
    assert heard.value("train_peak_process_bytes") > heard.value("train_peak_live_bytes")


def test_every_step_is_told_warm_up_included(case: Case) -> None:
    steps = told(replace(case, warmup=2, modes=("infer",))).steps
    assert steps == [("infer", 1, 3), ("infer", 2, 3), ("infer", 3, 3)]


class Gpu:
    """PyTorch's caching allocator: cuDNN's trials take 6 000 bytes in the warm-up, a steady step 2 000."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fraction: float | None = None

    def reset_peak_memory_stats(self, device: torch.device) -> None:
        self.calls.append("reset")

    def empty_cache(self) -> None:
        self.calls.append("empty")

    def synchronize(self, device: torch.device) -> None:
        self.calls.append("sync")

    def max_memory_allocated(self, device: torch.device) -> int:
        return 2_000 if "empty" in self.calls else 6_000

    def max_memory_reserved(self, device: torch.device) -> int:
        return 3_000

    def memory_reserved(self, device: torch.device) -> int:
        return 3_000

    def memory_stats(self, device: torch.device) -> dict[str, int]:
        return {"num_alloc_retries": 1 if self.calls.count("sync") == 2 else 0}

    def get_device_properties(self, device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(total_memory=1000 * MIB)

    def set_per_process_memory_fraction(self, fraction: float, device: torch.device) -> None:
        self.fraction = fraction


class Driver:
    """NVML: this process holds 300 MiB; `used` is held by all together."""

    NVMLError = RuntimeError
    nvmlMemory_v2 = 2  # noqa: N815

    def __init__(self, used: int, sees_us: bool = True) -> None:
        self._used, self._pid = used, os.getpid() if sees_us else 1

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[Any]:
        return [SimpleNamespace(pid=self._pid, usedGpuMemory=300 * MIB)]

    def nvmlDeviceGetMemoryInfo(self, handle: object, version: int = 1) -> SimpleNamespace:
        return SimpleNamespace(used=self._used, total=1000 * MIB)


def use_gpu(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Gpu:
    """The network runs on the host, but everything asked of CUDA is answered by the fakes."""
    gpu = Gpu()
    for name in vars(Gpu):
        if not name.startswith("_"):
            monkeypatch.setattr(torch.cuda, name, getattr(gpu, name))

    def on_host(case: Case, device: torch.device) -> Workload:
        return replace(build_workload(case, "cpu"), device=device)

    @contextmanager
    def session() -> Iterator[Driver]:
        yield driver

    monkeypatch.setattr(memory, "device_of", lambda case: torch.device(case.device))
    monkeypatch.setattr(memory, "build_workload", on_host)
    monkeypatch.setattr(nvml, "session", session)
    monkeypatch.setattr(nvml, "handle_of", lambda *_: "handle")
    return gpu


def on_gpu(case: Case) -> Case:
    return replace(case, device="cuda:0", modes=("infer",))


def test_a_gpu_tells_the_allocators_peaks_and_the_drivers(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    gpu = use_gpu(monkeypatch, Driver(used=310 * MIB))
    heard = told(on_gpu(case))
    _, _, *rows = heard.rows
    assert {row.quantity: (row.value, row.method) for row in rows} == {
        "infer_peak_allocated_bytes": (2_000, "measured:cuda"),
        "infer_peak_reserved_bytes": (3_000, "measured:cuda"),
        "infer_peak_process_bytes": (300 * MIB, "measured:nvml"),
        "infer_first_step_peak_bytes": (6_000, "measured:cuda"),
    }
    assert all(row.factors == {"batch_size": 3} and row.detail == {"allocator_retries": 1} for row in rows)
    assert [done for _, done, _ in heard.steps] == [1, 2, 3, 4], "two steps of warm-up, two measured"
    assert gpu.fraction is None and heard.notes == [], "10 MiB of others are the display's"


def test_what_other_programs_hold_of_the_gpu_is_noted(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    use_gpu(monkeypatch, Driver(used=420 * MIB))
    assert told(on_gpu(case)).notes == ["other programs hold 120 MiB of the GPU; close them for a quiet measurement"]


def test_a_process_the_driver_does_not_see_has_a_reason_and_no_bytes(
    monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    use_gpu(monkeypatch, Driver(used=420 * MIB, sees_us=False))
    heard = told(on_gpu(case))
    (row,) = [row for row in heard.rows if row.quantity == "infer_peak_process_bytes"]
    assert row.value is None and "container" in str(row.cause)
    assert heard.notes == [], "what others hold cannot be told either"


def test_a_budget_bounds_the_allocator_with_the_context_taken_off(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    gpu = use_gpu(monkeypatch, Driver(used=300 * MIB))
    told(replace(on_gpu(case), budget_bytes=600 * MIB).with_options(context_bytes=100 * MIB))
    assert gpu.fraction == pytest.approx(0.5)
