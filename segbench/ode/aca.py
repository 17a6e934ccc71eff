"""The adaptive checkpoint adjoint: an adaptive solver finds the grid, the solve on it is differentiated exactly.

Stored: one state for each stage of each accepted step; rejected steps leave nothing. Evaluations: the search's, a solve
on the accepted grid, and as many backward. Exact for that grid; the dependence of the step sizes on the state is left
out. The search counts as looking: batch norms inside f are not updated by it.
Source: Zhuang et al. 2020, "Adaptive Checkpoint Adjoint Method for Gradient Estimation in Neural ODE", with the steps'
stages stored too (they are small here, and save a solve).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from segbench.ode.adaptive_grid import embedded_scheme, find_grid
from segbench.ode.checkpoint_stage import CheckpointStage
from segbench.ode.evaluator import Evaluator
from segbench.ode.node import solve_as_node
from segbench.ode.state import State
from segbench.ode.tolerance import Tolerance


def aca(solver: str, f: Evaluator, state: State, times: Sequence[float], tolerance: Tolerance) -> list[State]:
    """States at the times; without gradients the search's own are the result."""
    embedded = embedded_scheme(solver)
    with f.looking():
        grid, states = find_grid(embedded, f, tuple(part.detach() for part in state), times, tolerance)
    if not torch.is_grad_enabled():
        return states
    return solve_as_node(CheckpointStage(embedded.scheme), f, grid, state)
