"""Norms for networks whose layers run several times a step: group norm, and batch norm that knows the solver's stage.

Group norm is the default inside an ODE. Batch norm's one set of running statistics fits no time of a trajectory (the
input's variance drifted from 0.2 to 9 along one), couples the samples of a batch, and is updated at every evaluation of
f: one training step with `odeint_adjoint` and dopri5 made 94 to 238 updates per layer, more than half of them in the
backward solve (our measurement, rtol 1e-2 to 1e-4). The batch norm here is therefore never updated by a recomputation,
and may keep one set of statistics for each stage of a fixed grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from segbench.errors import UnknownName, UserError
from segbench.layers.stage import at_stage, current_stage

NORMS = ("group", "batch", "batch-per-stage")

_GROUPS = 8
"""Wide enough for SegNode's narrowest stream (48 channels, 6 a group); our choice, halved for narrower layers."""


def make_norm(kind: str, channels: int, stages: int = 0) -> nn.GroupNorm | StageBatchNorm2d:
    """A norm over `(N, channels, H, W)`.

    Args:
        kind: `group`, `batch`, or `batch-per-stage` (running statistics for each stage of a fixed grid).
        channels: of the input.
        stages: evaluations of f in a solve, for `batch-per-stage` only (`segbench.ode.methods.stages_of` counts them).

    Raises:
        UnknownName: no such kind.
        UserError: `batch-per-stage` without a number of stages.
    """
    if kind == "group":
        return nn.GroupNorm(group_count(channels), channels)
    if kind == "batch":
        return StageBatchNorm2d(channels)
    if kind != "batch-per-stage":
        raise UnknownName("norm", kind, NORMS)
    if stages < 1:
        raise UserError(f"norm 'batch-per-stage' was given {stages} stages; it needs the evaluations of f in one solve")
    return StageBatchNorm2d(channels, stages)


def group_count(channels: int) -> int:
    """8 groups, halved until they divide the channels and leave at least two channels in each."""
    groups = _GROUPS
    while groups > 1 and (channels % groups or channels // groups < 2):
        groups //= 2
    return groups


class StageBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that leaves its running statistics alone in recomputations, optionally with a set for each stage.

    Args:
        channels: of the input.
        stages: 0 for one shared set; else `running_mean` and `running_var` have shape `(stages, channels)`, which ties
            the network to its training grid: shorten a solve to leave early, but do not change its step.
    """

    def __init__(self, channels: int, stages: int = 0) -> None:
        super().__init__(channels)
        self.stages = stages
        if stages:
            self.register_buffer("running_mean", torch.zeros(stages, channels))
            self.register_buffer("running_var", torch.ones(stages, channels))

    def forward(self, images: Tensor) -> Tensor:
        return normalise(self, images, self.weight, self.bias)

    def statistics(self) -> tuple[Tensor | None, Tensor | None]:
        """Running mean and variance `(channels,)` of the current stage, views of the buffers.

        Raises:
            UserError: the solve has more stages than there are statistics.
        """
        mean, variance = self.running_mean, self.running_var
        if not self.stages or mean is None or variance is None:
            return mean, variance
        index = current_stage().index
        if index >= self.stages:
            raise UserError(
                f"batch-per-stage norm has statistics for {self.stages} evaluations of f, this solve makes more; keep"
                " the step of the training grid (a shorter t_end with fewer steps is possible), or use norm 'group'"
            )
        return mean[index], variance[index]


def normalise(norm: nn.Module, images: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """What `norm` does, with another affine map `(C,)`, and without touching statistics in a recomputation.

    Args:
        norm: an `nn.GroupNorm` or `nn.BatchNorm2d`, ours or torch's.
        images: `(N, C, H, W)`.
        weight: per-channel factor in place of the norm's own; None is 1.
        bias: per-channel summand in place of the norm's own; None is 0.

    Raises:
        TypeError: another kind of norm.
    """
    if isinstance(norm, nn.GroupNorm):
        return functional.group_norm(images, norm.num_groups, weight, bias, norm.eps)
    if not isinstance(norm, nn.BatchNorm2d):
        raise TypeError(f"{type(norm).__name__} is neither a group norm nor a batch norm")
    if isinstance(norm, StageBatchNorm2d):
        mean, variance = norm.statistics()
    else:
        mean, variance = norm.running_mean, norm.running_var
    momentum = momentum_of(norm)
    return functional.batch_norm(images, mean, variance, weight, bias, norm.training, momentum, norm.eps)


def momentum_of(norm: _BatchNorm) -> float:
    """With which the running statistics take in the present batch, which is counted.

    0 in evaluation and in a recomputation, instead of no statistics at all: torch.utils.checkpoint compares the tensors
    saved by both runs.
    """
    if not norm.training or current_stage().recomputing:
        return 0.0
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return norm.momentum or 0.0


@contextmanager
def frozen_statistics(*modules: nn.Module) -> Iterator[None]:
    """No batch norm inside the modules, ours or torch's, updates its running statistics while this is open.

    The outputs stay those of training mode. For recomputations and for looking without touching.
    """
    with ExitStack() as stack:
        stack.enter_context(at_stage(recomputing=True))
        for norm in (norm for module in modules for norm in module.modules()):
            if isinstance(norm, _BatchNorm) and not isinstance(norm, StageBatchNorm2d):
                stack.enter_context(_momentum_zero(norm))
        yield


@contextmanager
def _momentum_zero(norm: _BatchNorm) -> Iterator[None]:
    momentum, count = norm.momentum, norm.num_batches_tracked
    norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        norm.momentum, norm.num_batches_tracked = momentum, count
