"""What every end costs when it is asked for alone: operations, evaluations of f, solver's steps, and time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from torch import Tensor, nn

from segbench.meters.latency import Inference
from segbench.meters.operations import count_operations
from segbench.meters.sampling import Clock
from segbench.ode.methods import SCHEMES
from segbench.trajectories.subject import End, Subject

Counter = Callable[[Tensor], float]


@dataclass(frozen=True)
class Effort:
    """One image's inference with one end; means over the images it was counted on.

    Attributes:
        macs: multiply-accumulates.
        evaluations: of f; None for a network without a solver.
        accepted, rejected: steps of an adaptive solver, None elsewhere.
    """

    macs: float
    evaluations: float | None = None
    accepted: float | None = None
    rejected: float | None = None


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
    macs, *others = [mean(values) if values else None for values in found]
    assert macs is not None
    return Effort(macs, *others)


def _depends_on_data(subject: Subject) -> bool:
    return any(block.solver not in SCHEMES for block in subject.blocks)


def _counted(subject: Subject, image: Tensor, end: End) -> Effort:
    for block in subject.blocks:
        block.reset_nfe()
    macs = count_operations(subject.network, lambda: subject.answer(image, end)).total_macs
    if not subject.blocks:
        return Effort(macs)
    evaluations = sum(block.nfe_forward for block in subject.blocks)
    if not _depends_on_data(subject):
        return Effort(macs, evaluations)
    accepted = sum(block.steps_accepted for block in subject.blocks)
    return Effort(macs, evaluations, accepted, sum(block.steps_rejected for block in subject.blocks))


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


@dataclass(frozen=True)
class Patience:
    """How long to time.

    Attributes:
        runs: timed calls of each end.
        seconds: no further round starts after them, but two rounds are always made.
    """

    runs: int = 11
    seconds: float = 60.0


def times_of(
    calls: Sequence[Inference], patience: Patience, seed: int = 0, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Seconds a batch of every call, in rounds: each call once a round, in an order drawn anew, so that what the
    machine does meanwhile hits all alike. A round before the first warms up and is not kept.
    """
    order = random.Random(seed)
    begun = clock()
    samples: list[list[float]] = [[] for _ in calls]
    for number in range(patience.runs + 1):
        if number > 2 and clock() - begun > patience.seconds:
            break
        for place in order.sample(range(len(calls)), len(calls)):
            seconds = calls[place]().total
            if number:
                samples[place].append(seconds)
    return samples


_FEWEST = 6
"""The extremes of five samples hold the median in 94 % of cases only, those of six in 97 %."""


def median_interval(samples: Sequence[float]) -> tuple[float | None, float | None]:
    """The median's 95 % interval by order statistics; None below six samples."""
    count = len(samples)
    if count < _FEWEST:
        return None, None
    reach = 1.96 * math.sqrt(count) / 2
    low, high = max(0, math.floor(count / 2 - reach)), min(count - 1, math.ceil(count / 2 + reach))
    ordered = np.sort(samples)
    return float(ordered[low]), float(ordered[high])


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
