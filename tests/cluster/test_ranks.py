"""Real ranks under gloo hold the bytes that are predicted of them."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field, replace
from itertools import accumulate

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import Shard, distribute_tensor
from torch.nn import functional

from segbench.estimate.step import trace_step
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import MemoryOptions
from segbench.tasks.memory import run_here
from segbench.tasks.protocol import Reporter
from segbench.tasks.ranks import by_ranks
from segbench.workload.muon import Muon
from segbench.workload.step import build_workload
from tests.tasks.conftest import Collected

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RANKS = 2


class OwnLoss(nn.Module):
    """Is trained on scores of half size and on a second head, which its answer has not."""

    def __init__(self, classes: int = 11) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.down = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.head, self.edge = nn.Conv2d(32, classes, 1), nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return functional.interpolate(self.head(self.down(self.body(images))), size=images.shape[-2:])

    def training_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.down(self.body(images))
        return (
            functional.cross_entropy(self.head(features), labels[..., ::2, ::2]) + self.edge(features).square().mean()
        )


def case_of(strategy: str, model: str, mode: str = "train", optimizer: str = "sgd") -> Case:
    options = MemoryOptions.parse({"strategy": strategy, "ranks": RANKS})
    case = Case("memory", model, width=64, height=48, modes=(mode,), optimizer=optimizer, threads=1, warmup=0)
    steps = {"steps": 1} if model == "segnode-w8" else {}
    return replace(case, options=options).with_arguments(**steps)


OWN = f"{__name__}:OwnLoss"
TO_THE_BYTE = [
    case_of("fsdp", "segnode-w8"),
    case_of("fsdp", "unet-w8"),
    case_of("fsdp", "unet-w8", "infer"),
    case_of("fsdp", OWN),
    case_of("ddp", "unet-w8", "infer"),
]
NEARLY = [  # AdamW counts its steps in a number a parameter; DDP sends running statistics in copies gloo frees unseen
    case_of("fsdp", "unet-w8", optimizer="adamw"),
    case_of("fsdp", "segnode-w8", optimizer="muon"),
    case_of("fsdp", OWN, optimizer="muon"),
    case_of("ddp", "segnode-w8"),
    case_of("ddp", OWN, optimizer="adamw"),
    case_of("ddp-views", "unet-w8", optimizer="adamw"),
]
CASES = [*((case, 0.0) for case in TO_THE_BYTE), *((case, 0.01) for case in NEARLY)]


def name_of(case: Case) -> str:
    return f"{case.options_as(MemoryOptions).strategy} {case.model} {case.optimizer} {case.modes[0]}"


def run_all(_: Case, report: Reporter) -> None:
    """In each rank: one group of processes for all cases."""
    for case, _tolerance in CASES:
        gc.collect()  # what the case before leaves in cycles is not to be freed while this one is measured
        run_here(case, report)
    report.note(f"apart by {difference_of_muon()}")


def difference_of_muon() -> float:
    """Between sharded matrices and whole ones that Muon has moved; one has fewer rows than there are ranks."""
    mesh = distributed.device_mesh.init_device_mesh("cpu", (RANKS,))
    torch.manual_seed(0)
    whole = [nn.Parameter(torch.randn(shape)) for shape in ((3, 4), (1, 8, 1, 1), (5,))]
    sharded = [nn.Parameter(distribute_tensor(item.detach(), mesh, [Shard(0)])) for item in whole]
    for one, other in zip(whole, sharded, strict=True):
        one.grad = torch.randn_like(one)
        other.grad = distribute_tensor(one.grad, mesh, [Shard(0)])
    for parameters in (whole, sharded):
        Muon(parameters, lr=0.1).step()
    pairs = zip(whole, sharded, strict=True)
    return max(float((one - other.full_tensor()).detach().abs().max()) for one, other in pairs)


@dataclass
class _Peaks(Collected):
    found: list[Measurement] = field(default_factory=list)

    def measured(self, measurement: Measurement) -> None:
        if measurement.quantity.endswith("peak_live_bytes"):
            self.found.append(measurement)


@pytest.fixture(scope="module")
def heard() -> _Peaks:
    """What the ranks tell of all cases."""
    heard = _Peaks()
    by_ranks(run_all, CASES[0][0], heard)
    return heard


@pytest.fixture(scope="module")
def measured(heard: _Peaks) -> dict[Case, Measurement]:
    """Case -> its peak of live bytes."""
    return dict(zip([case for case, _ in CASES], heard.found, strict=True))


def predicted(case: Case) -> int:
    """Of a step for which the optimizer has its state already."""
    (mode,), options = case.modes, case.options_as(MemoryOptions)
    found = trace_step(
        lambda: build_workload(case, "meta"), mode, 1, "cpu", strategy=options.strategy, ranks=options.ranks
    )
    sizes = [found.log.storages[abs(event) - 1].bytes * (1 if event > 0 else -1) for event in found.log.events]
    last = [mark.position for mark in found.log.marks if mark.phase == "forward"][-1]
    return max(list(accumulate(sizes))[last:])


@pytest.mark.parametrize(("case", "tolerance"), CASES, ids=[name_of(case) for case, _ in CASES])
def test_two_ranks_hold_what_is_predicted(measured: dict[Case, Measurement], case: Case, tolerance: float) -> None:
    row = measured[case]
    assert len(row.detail["ranks"]) == RANKS and row.value == max(row.detail["ranks"])
    assert row.value == pytest.approx(predicted(case), rel=tolerance, abs=0)


def test_muon_moves_a_sharded_matrix_as_a_whole_one(heard: _Peaks) -> None:
    assert "apart by 0.0" in heard.notes
