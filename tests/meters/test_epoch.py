"""A training step in parts does what a whole training step does."""

from __future__ import annotations

import copy

import torch

from segbench.meters.epoch import STEP_PARTS, TrainingStep
from segbench.meters.stopwatch import HostStopwatch
from segbench.records.case import Case
from segbench.workload.step import Workload, build_workload


def small(**changes: object) -> Workload:
    case = Case("epoch", "unet-w8", width=32, height=24, batch_size=2, threads=1, **changes)  # type: ignore[arg-type]
    return build_workload(case, "cpu")


def test_the_parts_are_those_of_a_step_and_add_up_to_it() -> None:
    workload = small()
    batch = workload.make_batch()
    timing = TrainingStep(workload, lambda: batch, HostStopwatch())()
    assert tuple(timing.parts) == STEP_PARTS
    assert abs(sum(timing.parts.values()) - timing.total) < 1e-9


def test_a_step_in_parts_changes_the_weights_as_a_whole_step_does() -> None:
    parts = small()
    whole = small()
    whole.network.load_state_dict(copy.deepcopy(parts.network.state_dict()))
    torch.manual_seed(0)
    batch = parts.make_batch()
    step = TrainingStep(parts, lambda: batch, HostStopwatch())
    step()
    assert step.loss is not None
    assert torch.equal(step.loss, whole.train_step(*batch))
    for mine, other in zip(parts.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_without_an_optimizer_there_is_forward_and_backward_only() -> None:
    workload = small(optimizer="none")
    before = copy.deepcopy(workload.network.state_dict())
    batch = workload.make_batch()
    TrainingStep(workload, lambda: batch, HostStopwatch())()
    after = workload.network.state_dict()
    weights = {name for name, _ in workload.network.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in weights)
    assert all(weight.grad is not None for weight in workload.network.parameters())
