from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate.affine import LogFamily, NotAffine, log_family
from segbench.estimate.allocator import replay
from segbench.estimate.log import StorageLog
from segbench.estimate.step import trace_step


class Work:
    """A small network with a pooled branch, whose batch normalisation needs two images to train."""

    def __init__(self) -> None:
        self.network = nn.ModuleDict(
            {"stem": nn.Conv2d(3, 16, 3, padding=1), "norm": nn.BatchNorm2d(16), "head": nn.Conv2d(32, 3, 1)}
        )
        self.optimizer = torch.optim.AdamW(self.network.parameters())

    def make_batch(self, count: int | None = None, /) -> tuple[Tensor, Tensor]:
        size = (count or 1, 40, 56)
        return torch.randn(size[0], 3, *size[1:], device="meta"), torch.randint(0, 3, size, device="meta")

    def train_step(self, images: Tensor, labels: Tensor) -> None:
        self.network.zero_grad()
        functional.cross_entropy(self._scores(images), labels).backward()
        self.optimizer.step()

    @torch.no_grad()
    def infer(self, images: Tensor) -> Tensor:
        return self._scores(images)

    def _scores(self, images: Tensor) -> Tensor:
        features = functional.relu(self.network["norm"](self.network["stem"](images)))
        pooled = self.network["norm"](features.mean((2, 3), keepdim=True)).expand_as(features)
        return self.network["head"](torch.cat([features, pooled], 1))  # type: ignore[no-any-return]


def traced(batch: int, mode: str = "train") -> StorageLog:
    return trace_step(Work, mode, batch).log


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("batch", [3, 5, 17, 100])
def test_an_interpolated_log_equals_a_fresh_trace(batch: int, mode: str) -> None:
    family = log_family(lambda size: traced(size, mode))
    fresh, interpolated = traced(batch, mode), family.at(batch)
    assert interpolated == fresh
    assert replay(interpolated) == replay(fresh)


def test_live_bytes_are_affine_in_the_batch_though_reserved_ones_are_not() -> None:
    family = log_family(traced)
    peaks = [family.at(batch).peak[1] for batch in (10, 20, 30)]
    assert peaks[1] - peaks[0] == peaks[2] - peaks[1]
    reserved = [replay(family.at(batch)).reserved_peak for batch in (10, 20, 30)]
    assert reserved[1] - reserved[0] != reserved[2] - reserved[1]


def test_logs_of_different_structure_have_no_family() -> None:
    log = traced(2)
    with pytest.raises(NotAffine, match="different storages"):
        LogFamily(log, traced(4, "infer"), 2, 4)
    odd = tuple(replace(item, bytes=item.bytes + 1) if item.role == "inputs" else item for item in log.storages)
    with pytest.raises(NotAffine, match="whole bytes"):
        LogFamily(log, replace(log, storages=odd), 2, 4)
