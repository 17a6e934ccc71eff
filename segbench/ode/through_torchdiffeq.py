"""Solves left to torchdiffeq: adaptive steps, and its continuous adjoint.

torchdiffeq packs the state into one vector (about 38 more kernel launches an evaluation) and its adjoint carries the
gradients of all parameters through every stage of the backward solve. Tolerances are always given: its own defaults,
1e-7 and 1e-9, took more than 362 evaluations on SegNode's f.
Source: Chen 2018, torchdiffeq; Chen et al. 2018, "Neural Ordinary Differential Equations", algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchdiffeq
from torch import Tensor

from segbench.errors import UserError
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid
from segbench.ode.state import State
from segbench.ode.tolerance import MOST_STEPS, Tolerance

_FIXED_NAMES = {"heun": "heun2"}
"""Where torchdiffeq calls a fixed-grid solver otherwise."""


class _Reporting:
    """f with the callbacks that torchdiffeq looks for on adaptive solves."""

    def __init__(self, f: Evaluator) -> None:
        self._f = f

    def __call__(self, time: Tensor, state: State) -> State:
        return self._f(time, state)

    def callback_accept_step(self, *_: object) -> None:
        self._f.step_ended(accepted=True)

    def callback_reject_step(self, *_: object) -> None:
        self._f.step_ended(accepted=False)


def adaptive_backprop(
    solver: str, f: Evaluator, state: State, times: Sequence[float], tolerance: Tolerance
) -> list[State]:
    """Back-propagation through every stage of every tried step.

    Stored: everything f saves at every evaluation, rejected steps' included. Evaluations: the solve's. Exact for the
    grid it found (the dependence of step sizes on the state is differentiated as well).
    """
    options = {"max_num_steps": MOST_STEPS}
    return _solve(torchdiffeq.odeint, solver, _Reporting(f), state, times, tolerance, options=options)


def adaptive_adjoint(
    solver: str, f: Evaluator, state: State, times: Sequence[float], tolerance: Tolerance, *, seminorm: bool = False
) -> list[State]:
    """The continuous adjoint with adaptive steps backward, as SegNode's authors trained.

    Stored: the kept states. Evaluations: the solve's forward, a solve of its own backward. Approximate: relative
    errors of 0.5 to 1 on SegNode's untrained f at 1e-2, 0.07 on a trained small one at 1e-3.

    Args:
        seminorm: leave the parameter gradients out of the backward solve's error norm, which takes fewer steps (Kidger,
            Chen, Lyons 2021, ""Hey, that's not an ODE": Faster ODE Adjoints via Seminorms").
    """
    options = {"max_num_steps": MOST_STEPS}
    backward = {**options, "norm": "seminorm"} if seminorm else options
    return _solve(
        torchdiffeq.odeint_adjoint,
        solver,
        _Reporting(f),
        state,
        times,
        tolerance,
        options=options,
        adjoint_options=backward,
        adjoint_params=f.parameters,
    )


def fixed_adjoint(solver: str, f: Evaluator, state: State, grid: TimeGrid) -> list[State]:
    """The continuous adjoint on a fixed grid, the same backward as forward.

    Stored: the kept states. Evaluations: one solve forward, as many backward. Approximate, as the quadrature adjoint,
    which gives nearly the same gradient without the parameters in its state.
    """
    options = {"grid_constructor": _Between(grid)}
    return _solve(
        torchdiffeq.odeint_adjoint,
        _FIXED_NAMES.get(solver, solver),
        f,
        state,
        [grid.times[index] for index in grid.kept],
        Tolerance(),
        options=options,
        adjoint_options=options,
        adjoint_params=f.parameters,
    )


class _Between:
    """The grid's points from the first to the last of some of them, in their direction."""

    def __init__(self, grid: TimeGrid) -> None:
        self._points = grid.times

    def __call__(self, _f: object, _state: Tensor, times: Tensor) -> Tensor:
        first, last = self._points.index(float(times[0])), self._points.index(float(times[-1]))
        low, high = sorted((first, last))
        between = self._points[low : high + 1]
        return torch.tensor(between if first < last else between[::-1], dtype=times.dtype, device=times.device)


def _solve(
    odeint: Any, method: str, f: Any, state: State, times: Sequence[float], tolerance: Tolerance, **settings: Any
) -> list[State]:
    """States at the times after 0.

    Raises:
        UserError: the solver gives up.
    """
    clock = torch.tensor([0.0, *times], dtype=torch.float64, device=state[0].device)
    try:
        solution = odeint(f, state, clock, rtol=tolerance.rtol, atol=tolerance.atol, method=method, **settings)
    except AssertionError as error:  # torchdiffeq's only way to say so
        raise UserError(
            f"{method} gives up ({error}); loosen rtol and atol, shorten t_end, or take a fixed grid such as euler"
        ) from error
    return [tuple(part[index] for part in solution) for index in range(1, len(clock))]
