"""The switches on a real CUDA device: gradients, and the memory that the trace predicts."""

from __future__ import annotations

import pytest
import torch

from segbench.estimate.allocator import replay
from segbench.estimate.step import trace_step
from segbench.meters.cuda_memory import measure_cuda_peaks
from segbench.meters.savings import savings_error
from segbench.records.case import Case
from segbench.workload.step import build_workload

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]

DEVICE = torch.device("cuda:0")
BOUNDS = {
    "recompute": 1e-5,
    "checkpoint": 1e-5,
    "checkpoint:sqrt": 1e-5,
    "save-on-cpu": 1e-5,
    "inplace-abn": 1e-3,
    "reversible": 1e-3,
    "fp16": 1e-2,
    "bf16": 5e-2,
    "compress:8bit": 1e-1,
}


def case(switch: str) -> Case:
    return Case("memory", f"hrnetv2-small+{switch}", device="cuda:0", width=128, height=96, batch_size=4)


@pytest.mark.parametrize("switch", BOUNDS)
def test_gradients_are_those_of_plain_back_propagation(switch: str) -> None:
    work = build_workload(case(switch), DEVICE)
    work.network.train()
    batch = work.make_batch()
    torch.backends.cudnn.deterministic = True
    try:
        assert savings_error(work.network, lambda: work.loss(*batch)) < BOUNDS[switch]
    finally:
        torch.backends.cudnn.deterministic = False


@pytest.mark.parametrize("switch", BOUNDS)
def test_allocated_bytes_are_as_predicted(switch: str) -> None:
    """Up to convolutions' workspaces, which are small on such images."""
    log = trace_step(lambda: build_workload(case(switch), "meta"), "train", 4).log
    work = build_workload(case(switch), DEVICE)
    real = measure_cuda_peaks(lambda: work.train_step(*work.make_batch()), DEVICE, warmup=1, repeats=2)
    assert replay(log).allocated_peak == pytest.approx(real.allocated, rel=0.05)
