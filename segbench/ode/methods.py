"""Which solvers there are, how each can be differentiated, and what that keeps: the one table of valid pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from segbench.errors import UnknownName, UserError
from segbench.ode.aca import aca
from segbench.ode.alf import ALF, ReversibleALF
from segbench.ode.checkpoint_stage import CheckpointStage
from segbench.ode.checkpoint_step import CheckpointedSteps
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid, uniform_grid
from segbench.ode.node import GradientMethod, solve_as_node
from segbench.ode.quadrature_adjoint import QuadratureAdjoint
from segbench.ode.reversible_heun import ReversibleHeun, ReversibleHeunGradient
from segbench.ode.runge_kutta import RungeKutta
from segbench.ode.scheme import Scheme, solve
from segbench.ode.state import State
from segbench.ode.tableaus import FIXED
from segbench.ode.through_torchdiffeq import adaptive_adjoint, adaptive_backprop, fixed_adjoint
from segbench.ode.tolerance import Tolerance


@dataclass(frozen=True)
class Settings:
    """A solve's arguments, checked by `solve_ode`.

    Attributes:
        solver, gradient: a pair of the table.
        steps, t_end: the fixed grid; an adaptive solver chooses its steps.
        tolerance: of adaptive solvers.
    """

    solver: str = "euler"
    gradient: str = "backprop"
    steps: int = 4
    t_end: float = 1.0
    tolerance: Tolerance = field(default_factory=Tolerance)


Solve = Callable[[Settings, Evaluator, State, Sequence[float]], list[State]]
"""States at increasing times in (0, t_end]."""


@dataclass(frozen=True)
class Gradient:
    """A way to differentiate a solver's result.

    Attributes:
        exact: for the discrete solution, up to rounding.
        stored: what lies in memory between forward and backward pass.
        solve: the solve.
    """

    exact: bool
    stored: str
    solve: Solve


def _on_grid(run: Callable[[Settings, Evaluator, TimeGrid, State], list[State]]) -> Solve:
    def solve_on_grid(settings: Settings, f: Evaluator, state: State, times: Sequence[float]) -> list[State]:
        return run(settings, f, uniform_grid(settings.t_end, settings.steps, times), state)

    return solve_on_grid


def _plain(settings: Settings, f: Evaluator, grid: TimeGrid, state: State) -> list[State]:
    return solve(SCHEMES[settings.solver], f, grid, state)[0]


def _checkpoint_step(settings: Settings, f: Evaluator, grid: TimeGrid, state: State) -> list[State]:
    return solve(CheckpointedSteps(SCHEMES[settings.solver]), f, grid, state)[0]


def _fixed_adjoint(settings: Settings, f: Evaluator, grid: TimeGrid, state: State) -> list[State]:
    return fixed_adjoint(settings.solver, f, state, grid)


def _as_node(method: Callable[[str], GradientMethod]) -> Solve:
    return _on_grid(lambda settings, f, grid, state: solve_as_node(method(settings.solver), f, grid, state))


def _adaptive(run: Callable[..., list[State]], **options: bool) -> Solve:
    return lambda settings, f, state, times: run(settings.solver, f, state, times, settings.tolerance, **options)


_RUNGE_KUTTA = {name: RungeKutta(tableau) for name, tableau in FIXED.items()}
_ALF, _REVERSIBLE_HEUN = ALF(), ReversibleHeun()
_REVERSED: dict[str, GradientMethod] = {
    "alf": ReversibleALF(_ALF),
    "reversible-heun": ReversibleHeunGradient(_REVERSIBLE_HEUN),
}
_EVERYTHING = "every tensor f saves, at every evaluation"

SCHEMES: dict[str, Scheme] = {**_RUNGE_KUTTA, "alf": _ALF, "reversible-heun": _REVERSIBLE_HEUN}
"""Solvers on a fixed grid."""

_FIXED_GRADIENTS = {
    "backprop": Gradient(True, _EVERYTHING, _on_grid(_plain)),
    "checkpoint-step": Gradient(
        True, "a state a step, and one step's evaluations at a time", _on_grid(_checkpoint_step)
    ),
    "checkpoint-stage": Gradient(
        True,
        "a state an evaluation, and one evaluation at a time",
        _as_node(lambda solver: CheckpointStage(_RUNGE_KUTTA[solver])),
    ),
    "quadrature-adjoint": Gradient(
        False, "the last state", _as_node(lambda solver: QuadratureAdjoint(_RUNGE_KUTTA[solver]))
    ),
    "adjoint": Gradient(False, "the last state, and backward all parameter gradients", _on_grid(_fixed_adjoint)),
}
_REVERSIBLE_GRADIENTS = {
    "backprop": Gradient(True, _EVERYTHING, _on_grid(_plain)),
    "reversible": Gradient(True, "two states", _as_node(_REVERSED.__getitem__)),
}
_ADAPTIVE_GRADIENTS = {
    "backprop": Gradient(True, _EVERYTHING + ", rejected steps too", _adaptive(adaptive_backprop)),
    "aca": Gradient(True, "a state an evaluation of accepted steps", _adaptive(aca)),
    "adjoint": Gradient(False, "the last state", _adaptive(adaptive_adjoint)),
    "adjoint-seminorm": Gradient(False, "the last state", _adaptive(adaptive_adjoint, seminorm=True)),
}

ADAPTIVE = ("dopri5", "bosh3", "adaptive_heun", "fehlberg2", "dopri8")
"""Solvers that choose their steps; names as in torchdiffeq."""

GRADIENT_METHODS: dict[str, dict[str, Gradient]] = {
    **dict.fromkeys(_RUNGE_KUTTA, _FIXED_GRADIENTS),
    **dict.fromkeys(_REVERSED, _REVERSIBLE_GRADIENTS),
    **dict.fromkeys(ADAPTIVE, _ADAPTIVE_GRADIENTS),
}
"""Solver -> gradient method -> how: every valid pair."""

_NEEDS = {
    "checkpoint-step": "repeats steps of a fixed Runge-Kutta grid",
    "checkpoint-stage": "repeats stages of a fixed Runge-Kutta grid (aca does so on an adaptive solver's)",
    "quadrature-adjoint": "sums over a fixed Runge-Kutta grid",
    "reversible": "needs a solver that algebra can run backwards",
    "aca": "needs an adaptive solver to find its grid",
    "adjoint": "needs a solver of torchdiffeq",
    "adjoint-seminorm": "changes the error norm of an adaptive solver",
}


def find_gradient(solver: str, gradient: str) -> Gradient:
    """How a pair works.

    Raises:
        UnknownName: no such solver or gradient method.
        UserError: they do not go together; the reason and what each goes with.
    """
    if solver not in GRADIENT_METHODS:
        raise UnknownName("solver", solver, GRADIENT_METHODS)
    if gradient in GRADIENT_METHODS[solver]:
        return GRADIENT_METHODS[solver][gradient]
    if gradient not in _NEEDS:
        raise UnknownName(
            "gradient method", gradient, {name for methods in GRADIENT_METHODS.values() for name in methods}
        )
    solvers = ", ".join(name for name, methods in GRADIENT_METHODS.items() if gradient in methods)
    fitting = ", ".join(GRADIENT_METHODS[solver])
    raise UserError(f"gradient {gradient!r} {_NEEDS[gradient]}: {solvers}; solver {solver!r} goes with {fitting}")


def stages_of(solver: str, steps: int) -> int:
    """Evaluations of f in a forward solve on a fixed grid: how many statistics a `batch-per-stage` norm keeps.

    Raises:
        UserError: the solver is adaptive.
        UnknownName: no such solver.
    """
    if solver in SCHEMES:
        return SCHEMES[solver].evaluations(steps)
    if solver in ADAPTIVE:
        raise UserError(
            f"solver {solver!r} chooses its steps, so its stages cannot have statistics of their own; use norm 'group'"
            f" or one of {', '.join(SCHEMES)}"
        )
    raise UnknownName("solver", solver, GRADIENT_METHODS)


def solve_ode(settings: Settings, f: Evaluator, state: State, times: Sequence[float]) -> list[State]:
    """States at increasing times in (0, t_end], differentiable as the settings say.

    Raises:
        UnknownName, UserError: the pair is not in the table, or a time is not on the grid.
    """
    gradient = find_gradient(settings.solver, settings.gradient)
    if torch.is_grad_enabled() or settings.solver in ADAPTIVE:
        return gradient.solve(settings, f, state, times)
    return GRADIENT_METHODS[settings.solver]["backprop"].solve(settings, f, state, times)
