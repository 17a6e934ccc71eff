"""Predictions against a real CUDA device; the goals are 1 % for allocated and 5 % for reserved bytes.

What compares levels of the allocator to the byte runs this file as a program: only a fresh process has no segments that
earlier tests have left half used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from segbench.cards.catalogue import model_sets
from segbench.devices.capabilities import cublas_workspace
from segbench.estimate.allocator import CachingAllocator
from segbench.estimate.overheads import Overheads
from segbench.estimate.prediction import Prediction, predict_step
from segbench.meters.cuda_memory import CudaPeaks, measure_cuda_peaks
from segbench.records.case import Case
from segbench.units import KIB, MIB
from segbench.workload.step import build_workload

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]

ALLOCATED, RESERVED = 0.01, 0.05
DEVICE = torch.device("cuda:0")


@pytest.fixture(autouse=True)
def _deterministic_convolutions() -> Iterator[None]:
    """Without autotuning cuDNN's workspaces depend on the shapes alone."""
    torch.backends.cudnn.benchmark = False
    torch.cuda.empty_cache()
    yield
    torch.cuda.empty_cache()


def predicted(case: Case, mode: str, overheads: Overheads) -> Prediction:
    return predict_step(lambda: build_workload(case, "meta"), mode, 4, overheads)


def measured(case: Case, mode: str) -> CudaPeaks:
    work = build_workload(case, DEVICE)

    def step() -> None:
        if mode == "train":
            work.train_step(*work.make_batch(4))
        else:
            work.infer(work.make_batch(4)[0])

    return measure_cuda_peaks(step, DEVICE, warmup=1, repeats=2)


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("model", model_sets()["table2"])
def test_predictions_meet_the_goals(model: str, mode: str) -> None:
    """cuDNN's workspaces are the GPU's affair: the truth lies between the prediction without any and their bound."""
    case = Case("memory", model, device="cuda:0", batch_size=4, infer_batch=4)
    cublas = cublas_workspace(torch.cuda.get_device_name(DEVICE))
    low = predicted(case, mode, Overheads(cublas_bytes=cublas))
    high = predicted(case, mode, Overheads(cublas_bytes=cublas, convolutions="upper"))
    real = measured(case, mode)
    assert (1 - ALLOCATED) * low.allocated <= real.allocated <= (1 + ALLOCATED) * high.allocated
    assert (1 - RESERVED) * low.reserved <= real.reserved <= (1 + RESERVED) * high.reserved


REQUESTS: Mapping[str, list[int]] = {
    "small": [KIB * n for n in range(1, 200)],
    "middle": [MIB + 300 * KIB * n for n in range(30)],
    "large": [10 * MIB + 7 * MIB * n for n in range(12)],
}


@pytest.fixture(scope="module")
def real_levels() -> dict[str, list[int]]:
    found: dict[str, list[int]] = in_fresh_process("levels")
    return found


@pytest.mark.parametrize("name", REQUESTS)
def test_the_model_of_the_allocator_reserves_what_the_allocator_reserves(
    name: str, real_levels: dict[str, list[int]]
) -> None:
    """The same requests, every other one freed, and the same requests again."""
    model = CachingAllocator()
    blocks = [model.malloc(size) for size in REQUESTS[name]]
    for block in blocks[::2]:
        model.free(block)
    blocks = blocks[1::2] + [model.malloc(size) for size in REQUESTS[name]]
    assert real_levels[name] == [model.allocated, model.reserved]


def levels() -> dict[str, list[int]]:
    """Bytes allocated and reserved by the real allocator after the same requests."""
    found = {}
    for name, sizes in REQUESTS.items():
        assert torch.cuda.memory_reserved(DEVICE) == 0
        real = [torch.empty(size, dtype=torch.uint8, device=DEVICE) for size in sizes]
        del real[::2]
        real += [torch.empty(size, dtype=torch.uint8, device=DEVICE) for size in sizes]
        found[name] = [torch.cuda.memory_allocated(DEVICE), torch.cuda.memory_reserved(DEVICE)]
        real.clear()
        torch.cuda.empty_cache()
    return found


def test_a_step_replayed_from_a_real_trace_reserves_what_it_reserved() -> None:
    """The allocator's own record of a training step, put through the model: only addresses are unknown."""
    found = in_fresh_process("trace")
    model, held = CachingAllocator(), {}
    for action, address, size in found["events"]:
        if action == "alloc":
            held[address] = model.malloc(size)
        elif action == "free_completed" and address in held:
            model.free(held.pop(address))
    assert model.reserved == pytest.approx(found["reserved"], rel=RESERVED)


def trace() -> dict[str, Any]:
    """What the allocator recorded of a network's making and one step, and what it held at the end.

    Stacks are left out: to name their C++ frames takes minutes.
    """
    torch.cuda.memory._record_memory_history(context=None, stacks="python", max_entries=200_000)
    work = build_workload(Case("memory", "unet-w8", device="cuda:0", width=240, height=180, batch_size=4), DEVICE)
    work.train_step(*work.make_batch(4))
    torch.cuda.synchronize()
    events = torch.cuda.memory._snapshot()["device_traces"][0]
    torch.cuda.memory._record_memory_history(enabled=None)
    told = [(event["action"], event.get("addr", 0), event.get("size", 0)) for event in events]
    return {"events": told, "reserved": torch.cuda.memory_reserved(DEVICE)}


PROGRAMS: Mapping[str, Callable[[], Any]] = {"levels": levels, "trace": trace}


def in_fresh_process(name: str) -> Any:
    """What a program of this file gives in a process that has not used the GPU yet."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(Path(__file__).resolve()), name]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]]()))
