"""How fast the state still moves: |f(t, h)| / |h|, which falls where more time would change little."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segbench.layers.stage import at_stage
from segbench.ode.methods import SCHEMES
from segbench.ode.state import State
from segbench.trajectories.subject import End, Subject


@torch.no_grad()
def state_speeds(subject: Subject, images: Tensor, ends: Sequence[End]) -> list[Tensor]:
    """At each end time, for each image `(N,)`: the root mean square of f over that of the state, all streams together.

    Raises:
        UserError: the network has no single state.
    """
    states = subject.states(images, ends)
    block = subject.streams.ode
    speeds = []
    for end, state in zip(ends, states, strict=True):
        with at_stage(_stage(subject, end)):
            slope: State = block.f(end.time, state)
        speeds.append(length(slope) / length(state))
    return speeds


def length(state: State) -> Tensor:
    """The Euclidean length of each sample's state `(N,)`, in float64."""
    return torch.stack([part.flatten(1).double().square().sum(1) for part in state]).sum(0).sqrt()


def _stage(subject: Subject, end: End) -> int:
    """The evaluation of the training's solve that starts at a time; the last one, for its end and beyond."""
    if subject.steps is None:
        return 0
    count = SCHEMES[subject.blocks[0].solver].evaluations(subject.steps)
    return min(count - 1, round(end.time / subject.t_end * count))
