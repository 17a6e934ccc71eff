"""What every end costs when it is asked for alone: operations, evaluations of f, solver's steps, and a call to time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor, nn

from segbench.meters.latency import Inference
from segbench.meters.operations import count_operations
from segbench.meters.stopwatch import stopwatch_for
from segbench.ode.methods import SCHEMES
from segbench.records.case import Case
from segbench.trajectories.subject import End, Subject
from segbench.workload.images import Batch
from segbench.workload.step import Workload


@dataclass(frozen=True)
class Effort:
    """One image's inference with one end; means over the images it was counted on.

    Attributes:
        macs: multiply-accumulates.
        evaluations: of f; None for a network without a solver.
        accepted, rejected: steps of an adaptive solver, None elsewhere.
        by_block: evaluations of each ODE block in the order of the network's modules.
    """

    macs: float
    evaluations: float | None = None
    accepted: float | None = None
    rejected: float | None = None
    by_block: tuple[float, ...] = ()


@torch.no_grad()
def effort(subject: Subject, images: Sequence[Tensor], end: End) -> Effort:
    """Counts by execution: on the first image, or on each of them where the solver is adaptive.

    Args:
        images: each `(1, 3, H, W)`, on the network's device.
    """
    efforts = [_counted(subject, image, end) for image in (images if _depends_on_data(subject) else images[:1])]
    found = [
        [value for item in efforts if (value := getattr(item, name)) is not None]
        for name in ("macs", "evaluations", "accepted", "rejected")
    ]
    macs, evaluations, accepted, rejected = [mean(values) if values else None for values in found]
    assert macs is not None
    by_block = tuple(mean(counts) for counts in zip(*(item.by_block for item in efforts), strict=True))
    return Effort(macs, evaluations, accepted, rejected, by_block)


def _depends_on_data(subject: Subject) -> bool:
    return any(block.solver not in SCHEMES for block in subject.blocks)


def _counted(subject: Subject, image: Tensor, end: End) -> Effort:
    for block in subject.blocks:
        block.reset_nfe()
    macs = count_operations(subject.network, lambda: subject.answer(image, end)).total_macs
    if not subject.blocks:
        return Effort(macs)
    by_block = tuple(float(block.nfe_forward) for block in subject.blocks)
    if not _depends_on_data(subject):
        return Effort(macs, sum(by_block), by_block=by_block)
    accepted = sum(block.steps_accepted for block in subject.blocks)
    rejected = sum(block.steps_rejected for block in subject.blocks)
    return Effort(macs, sum(by_block), accepted, rejected, by_block)


class NetworkEndingAt(nn.Module):
    """The network as one that always ends there.

    Args:
        subject: the network.
        end: where it ends.
    """

    def __init__(self, subject: Subject, end: End) -> None:
        super().__init__()
        self.network = subject.network
        self._subject, self._end = subject, end

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 3, H, W)` -> logits."""
        return self._subject.answer(images, self._end)


def inference_at(subject: Subject, end: End, case: Case, pictures: Tensor, device: torch.device) -> Inference:
    """The network ending there, from pictures on the host to classes on the host.

    Args:
        pictures: `(N, H, W, 3)` uint8 on the host.
    """
    scaler = torch.amp.GradScaler(device.type, enabled=False)
    workload = Workload(case, NetworkEndingAt(subject, end), None, device, _no_batches, scaler)
    return Inference(workload, pictures, stopwatch_for(device))


def _no_batches(count: int) -> Batch:
    raise AssertionError(f"an inference makes no training batch of {count}")


@torch.no_grad()
def readout_macs(subject: Subject, image: Tensor) -> int:
    """Multiply-accumulates of reading a state's classes without enlarging them: the cost of one observation.

    Args:
        image: `(1, 3, H, W)`.

    Raises:
        UserError: the network has no single state.
    """
    network = subject.streams
    state = network.encode(image)
    size = (state[0].shape[-2], state[0].shape[-1])
    return count_operations(subject.network, lambda: network.decode(state, size)).total_macs
