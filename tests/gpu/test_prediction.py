"""Predictions against a real CUDA device; the goals are 1 % for allocated and 5 % for reserved bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from segbench.cards.catalogue import model_sets
from segbench.estimate.allocator import Action, CachingAllocator
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
def _deterministic_convolutions() -> object:
    """Without autotuning cuDNN's workspaces depend on the shapes alone."""
    torch.backends.cudnn.benchmark = False
    torch.cuda.empty_cache()
    yield
    torch.cuda.empty_cache()


def predicted(case: Case, mode: str) -> Prediction:
    return predict_step(lambda: build_workload(case, "meta"), mode, 4, Overheads())


def measured(case: Case, mode: str) -> CudaPeaks:
    work = build_workload(case, DEVICE)

    def step() -> None:
        if mode == "train":
            work.train_step(*work.make_batch(4))
        else:
            work.infer(work.make_batch(4)[0])

    return measure_cuda_peaks(step, DEVICE, warmup=1, repeats=2)


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("gpu", model_sets()["table2"])
def test_predictions_meet_the_goals(gpu: str, mode: str) -> None:
    case = Case("memory", gpu, device="cuda:0", batch_size=4, infer_batch=4)
    foretold, real = predicted(case, mode), measured(case, mode)
    assert foretold.allocated == pytest.approx(real.allocated, rel=ALLOCATED)
    assert foretold.reserved == pytest.approx(real.reserved, rel=RESERVED)


REQUESTS: list[tuple[str, Callable[[], list[int]]]] = [
    ("small", lambda: [KIB * n for n in range(1, 200)]),
    ("middle", lambda: [MIB + 300 * KIB * n for n in range(30)]),
    ("large", lambda: [10 * MIB + 7 * MIB * n for n in range(12)]),
]


@pytest.mark.parametrize(("name", "sizes"), REQUESTS, ids=[name for name, _ in REQUESTS])
def test_the_model_of_the_allocator_reserves_what_the_allocator_reserves(
    name: str, sizes: Callable[[], list[int]]
) -> None:
    """The same requests, every other one freed, and the same requests again."""
    actions: list[Action] = []
    model = CachingAllocator(observer=actions.append)
    before = torch.cuda.memory_reserved(DEVICE), torch.cuda.memory_allocated(DEVICE)
    real = [torch.empty(size, dtype=torch.uint8, device=DEVICE) for size in sizes()]
    blocks = [model.malloc(size) for size in sizes()]
    for block in blocks[::2]:
        model.free(block)
    del real[::2]
    real += [torch.empty(size, dtype=torch.uint8, device=DEVICE) for size in sizes()]
    blocks = blocks[1::2] + [model.malloc(size) for size in sizes()]
    assert torch.cuda.memory_allocated(DEVICE) - before[1] == model.allocated
    assert torch.cuda.memory_reserved(DEVICE) - before[0] == model.reserved
    assert actions


def test_a_step_replayed_from_a_real_trace_reserves_what_it_reserved() -> None:
    """The allocator's own record of a training step, put through the model: only addresses are unknown."""
    case = Case("memory", "unet-w8", device="cuda:0", width=240, height=180, batch_size=4)
    work = build_workload(case, DEVICE)
    torch.cuda.empty_cache()
    torch.cuda.memory._record_memory_history(max_entries=200_000)
    start = torch.cuda.memory_reserved(DEVICE)
    work.train_step(*work.make_batch(4))
    trace = torch.cuda.memory._snapshot()["device_traces"][0]
    torch.cuda.memory._record_memory_history(enabled=None)
    model, held = CachingAllocator(), {}
    for entry in trace:
        if entry["action"] == "alloc":
            held[entry["addr"]] = model.malloc(entry["size"])
        elif entry["action"] == "free_completed" and entry["addr"] in held:
            model.free(held.pop(entry["addr"]))
    assert model.reserved == pytest.approx(torch.cuda.memory_reserved(DEVICE) - start, rel=0.1)
