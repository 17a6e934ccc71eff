from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.estimate.affine import LogFamily, NotAffine, NotedFamily, Noting, in_proportion
from segbench.estimate.allocator import replay
from segbench.estimate.log import Storage, StorageLog
from segbench.estimate.overheads import Overheads
from segbench.estimate.step import trace_step
from segbench.units import MIB
from tests.estimate import test_recorded, test_step


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


def family(mode: str = "train") -> LogFamily:
    return LogFamily(traced(2, mode), traced(4, mode), 2, 4)


def bytes_of(log: StorageLog) -> list[int]:
    return [storage.bytes for storage in log.storages]


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("batch", [3, 5, 17, 100])
def test_an_interpolated_log_equals_a_fresh_trace(batch: int, mode: str) -> None:
    fresh, interpolated = traced(batch, mode), family(mode).at(batch)
    assert (interpolated.events, interpolated.marks) == (fresh.events, fresh.marks)
    assert bytes_of(interpolated) == bytes_of(fresh)
    assert replay(interpolated) == replay(fresh)


def test_live_bytes_are_affine_in_the_batch_though_reserved_ones_are_not() -> None:
    logs = [family().at(batch) for batch in (10, 20, 30)]
    peaks = [log.peak[1] for log in logs]
    assert peaks[1] - peaks[0] == peaks[2] - peaks[1]
    reserved = [replay(log).reserved_peak for log in logs]
    assert reserved[1] - reserved[0] != reserved[2] - reserved[1]


def test_beyond_the_upper_bound_live_bytes_exceed_the_limit() -> None:
    bound = family().upper_bound(100 * MIB)
    assert traced(bound).peak[1] <= 100 * MIB < traced(bound + 1).peak[1]


def test_between_two_traces_the_upper_bound_is_the_larger_one() -> None:
    """There the peak, a maximum of lines, lies below the line through both."""
    assert family().upper_bound(traced(3).peak[1]) == 4


def test_logs_of_different_structure_have_no_family() -> None:
    with pytest.raises(NotAffine, match="different storages"):
        LogFamily(traced(2), traced(4, "infer"), 2, 4)


@pytest.mark.parametrize(
    ("role", "operator", "grows"),
    [
        ("parameters", "", False),
        ("gradients", "aten.convolution_backward", False),
        ("optimizer state", "aten.zeros_like", False),
        ("activations", "aten.relu", True),
        ("temporaries", "aten.relu", True),
        ("inputs", "aten.randn", True),
        ("workspaces", "aten.convolution", True),
        ("workspaces", "aten.mm", False),
    ],
)
def test_in_proportion_to_a_size_grows_what_is_made_of_images(role: str, operator: str, grows: bool) -> None:
    log = StorageLog((Storage(600, role, operator, "", (), "uint8"),), (1, -1))
    assert [bytes_of(in_proportion(log, 20).at(size)) for size in (20, 30)] == [[600], [900 if grows else 600]]


def of_convolutions(batch: int, overheads: Overheads) -> StorageLog:
    wide = test_recorded.Wide
    return trace_step(lambda: test_step.Work(wide(), "meta"), "train", batch, overheads=overheads).log


def noted(large: int = 4) -> NotedFamily:
    asked = [Noting(convolutions="expected") for _ in range(2)]
    logs = [of_convolutions(*pair) for pair in zip((2, large), asked, strict=True)]
    convolutions = (tuple(asked[0].seen), tuple(asked[1].seen))
    return NotedFamily(logs[0], logs[1], 2, large, convolutions, asked[0].workspace_of)


@pytest.mark.parametrize("batch", [2, 5, 1000])
def test_each_batch_has_the_workspaces_of_its_own_convolutions(batch: int) -> None:
    """Beyond 6000 tiles of a convolution the transformed outputs do not count any more."""
    family, fresh = noted(), of_convolutions(batch, Overheads(convolutions="expected"))
    assert family.at(batch).same_memory(fresh)
