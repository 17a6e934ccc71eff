"""A whole solve as one autograd node.

The node takes f's parameters as inputs and returns their gradients; nothing is written to `.grad`. So hooks on
parameters fire as for any other node, which is what DistributedDataParallel needs to average them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from segbench.ode.evaluator import Evaluator, GradientSum
from segbench.ode.grid import TimeGrid
from segbench.ode.state import State, grouped


class GradientMethod(Protocol):
    """How a solve on a given grid is differentiated."""

    def forward(self, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Sequence[State]]:
        """States at the kept times, and states to store; runs without gradients."""

    def backward(
        self, f: Evaluator, grid: TimeGrid, stored: Sequence[State], cotangents: Sequence[State], total: GradientSum
    ) -> State:
        """The initial state's cotangent from those of the kept states; parameter gradients go into `total`."""


def solve_as_node(method: GradientMethod, f: Evaluator, grid: TimeGrid, state: State) -> list[State]:
    """States at the kept times."""
    flat: tuple[Tensor, ...] = _Solve.apply(  # type: ignore[no-untyped-call]
        method, f, grid, len(state), *state, *f.parameters
    )
    return grouped(flat, len(state))


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, method: GradientMethod, f: Evaluator, grid: TimeGrid, parts: int, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        kept, stored = method.forward(f, grid, tensors[:parts])
        ctx.method, ctx.f, ctx.grid, ctx.parts = method, f, grid, parts
        ctx.save_for_backward(*(part for state in stored for part in state))
        return tuple(part for state in kept for part in state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        total = GradientSum(ctx.f)
        stored = grouped(ctx.saved_tensors, ctx.parts)
        found = ctx.method.backward(ctx.f, ctx.grid, stored, grouped(cotangents, ctx.parts), total)
        return None, None, None, None, *found, *total.total
