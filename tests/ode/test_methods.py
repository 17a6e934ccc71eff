from __future__ import annotations

import pytest

from segbench.errors import UnknownName, UserError
from segbench.ode.methods import ADAPTIVE, GRADIENT_METHODS, find_gradient, stages_of


def test_the_table_has_the_pairs_of_the_documentation() -> None:
    fixed = {"backprop", "checkpoint-step", "checkpoint-stage", "quadrature-adjoint", "adjoint"}
    for solver in ("euler", "midpoint", "heun", "rk4"):
        assert set(GRADIENT_METHODS[solver]) == fixed
    for solver in ("alf", "reversible-heun"):
        assert set(GRADIENT_METHODS[solver]) == {"backprop", "reversible"}
    for solver in ADAPTIVE:
        assert set(GRADIENT_METHODS[solver]) == {"backprop", "aca", "adjoint", "adjoint-seminorm"}


def test_only_continuous_adjoints_are_approximate() -> None:
    inexact = {
        name for methods in GRADIENT_METHODS.values() for name, gradient in methods.items() if not gradient.exact
    }
    assert inexact == {"quadrature-adjoint", "adjoint", "adjoint-seminorm"}


@pytest.mark.parametrize(
    ("solver", "gradient", "reason"),
    [
        ("euler", "reversible", "algebra can run backwards: alf, reversible-heun"),
        ("alf", "checkpoint-stage", "fixed Runge-Kutta grid"),
        ("alf", "adjoint", "solver of torchdiffeq"),
        ("rk4", "aca", "needs an adaptive solver"),
        ("rk4", "adjoint-seminorm", "error norm of an adaptive solver"),
        ("dopri5", "checkpoint-step", "steps of a fixed Runge-Kutta grid"),
        ("dopri5", "quadrature-adjoint", "fixed Runge-Kutta grid"),
    ],
)
def test_a_pair_that_does_not_go_together_is_refused_with_the_reason(solver: str, gradient: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as refusal:
        find_gradient(solver, gradient)
    assert f"solver '{solver}' goes with {', '.join(GRADIENT_METHODS[solver])}" in str(refusal.value)


def test_every_invalid_pair_is_refused() -> None:
    gradients = {name for methods in GRADIENT_METHODS.values() for name in methods}
    for solver, methods in GRADIENT_METHODS.items():
        for gradient in gradients - set(methods):
            with pytest.raises(UserError, match="goes with"):
                find_gradient(solver, gradient)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean dopri8 or dopri5"):
        find_gradient("dopri", "backprop")
    with pytest.raises(UnknownName, match="did you mean checkpoint-st"):
        find_gradient("euler", "checkpoint")


@pytest.mark.parametrize(
    ("solver", "stages"), [("euler", 4), ("midpoint", 8), ("heun", 8), ("rk4", 16), ("alf", 5), ("reversible-heun", 5)]
)
def test_stages_are_the_evaluations_of_a_solve(solver: str, stages: int) -> None:
    assert stages_of(solver, 4) == stages


def test_an_adaptive_solver_has_no_fixed_stages() -> None:
    with pytest.raises(UserError, match="chooses its steps"):
        stages_of("dopri5", 4)
    with pytest.raises(UnknownName):
        stages_of("eulr", 4)
