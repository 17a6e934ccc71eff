"""Gradient buckets by hand and against real training under `DistributedDataParallel` in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from segbench.estimate.buckets import BUCKET, bucket_gradients
from segbench.estimate.step import trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.workload.sharing import Strategy
from tests.estimate.test_step import CLASSES, SIZE, Work


def network() -> nn.Module:
    """1.2 MB of parameters: two buckets, and gradients that decide the peak."""
    return nn.Sequential(nn.Conv2d(3, 180, 1), nn.ReLU(), nn.Conv2d(180, 180, 3, padding=1), nn.Conv2d(180, CLASSES, 1))


def gradient_bytes() -> int:
    return sum(item.numel() * 4 for item in network().parameters())


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("group")
def test_predicted_live_bytes_equal_real_distributed_training() -> None:
    inner = network()
    outer = DistributedDataParallel(inner)
    optimizer = torch.optim.SGD(inner.parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        images, labels = torch.randn(2, 3, *SIZE), torch.randint(0, CLASSES, (2, *SIZE))
        inner.zero_grad(set_to_none=True)
        functional.cross_entropy(outer(images), labels).backward()
        optimizer.step()

    peaks = measure_live_peaks(inner, step, 4)[1:]  # the buckets are in it: DDP makes them anew after its first step
    real = max(peak.live for peak in peaks)
    found = trace_step(lambda: Work(network(), "meta"), "train", 2, target="cpu", strategy="ddp")
    assert found.log.peak[1] == pytest.approx(real, rel=1e-3)


def test_copies_take_the_gradients_once_more_and_views_do_not() -> None:
    def end(strategy: Strategy) -> dict[str, int]:
        log = trace_step(lambda: Work(network(), "meta"), "train", 1, strategy=strategy).log
        return log.breakdown(len(log.events) - 1)

    assert end("ddp")["gradients"] == 2 * end("single")["gradients"]
    assert end("ddp-views")["gradients"] == end("single")["gradients"] == gradient_bytes()


def test_inference_has_no_buckets() -> None:
    peaks = {
        trace_step(lambda: Work(network(), "meta"), "infer", 1, strategy=strategy).log.peak[1]
        for strategy in ("single", "ddp")  # type: ignore[misc]
    }
    assert len(peaks) == 1


def parameter(mebibytes: float, dtype: torch.dtype = torch.float32, trained: bool = True) -> nn.Parameter:
    size = torch.empty((), dtype=dtype).element_size()
    data: Tensor = torch.empty(int(mebibytes * 2**20 / size), dtype=dtype, device="meta")
    return nn.Parameter(data, requires_grad=trained)


def test_buckets_go_from_the_last_parameter_to_the_first_and_the_first_is_small() -> None:
    sizes = [20, 20, 10, 30, 0.5, 0.75]
    buckets = bucket_gradients([parameter(size) for size in sizes], "ddp")
    assert [bucket.numel() * 4 / 2**20 for bucket in buckets] == [1.25, 30, 30, 20]
    assert BUCKET == 25 * 2**20


def test_buckets_hold_one_dtype_and_nothing_frozen() -> None:
    parameters = [parameter(1, torch.float16), parameter(0.25), parameter(8, trained=False)]
    buckets = bucket_gradients(parameters, "ddp")
    assert [(bucket.dtype, bucket.numel()) for bucket in buckets] == [
        (torch.float32, 2**16),
        (torch.float16, 2**19),
    ]
