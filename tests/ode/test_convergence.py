"""Orders of convergence on ODEs with closed solutions, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from segbench.ode.adaptive_grid import embedded_scheme
from segbench.ode.block import ODEBlock
from segbench.ode.counts import Counts
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import uniform_grid
from segbench.ode.methods import ADAPTIVE
from segbench.ode.scheme import solve
from segbench.ode.state import State


class _Known(nn.Module):
    """y' = y cos t and z' = -2 t z^2: y = y0 exp(sin t), z = 1 / (1 / z0 + t^2); two parts of different shapes."""

    def forward(self, time: float | Tensor, state: State) -> State:
        y, z = state
        return y * torch.cos(torch.as_tensor(time, dtype=y.dtype)), -2 * time * z**2


_START = (torch.tensor([[1.0, 2.0]], dtype=torch.double), torch.tensor([[[1.0]]], dtype=torch.double))


def _error(state: State, time: float = 1.0) -> float:
    y, z = state
    expected_y = _START[0] * math.exp(math.sin(time))
    return max(float((y - expected_y).abs().max()), float((z - 1 / (1 + time**2)).abs().max()))


@pytest.mark.parametrize(
    ("solver", "order", "steps"),
    [
        ("euler", 1, 64),
        ("midpoint", 2, 32),
        ("heun", 2, 32),
        ("rk4", 4, 16),
        ("alf", 2, 32),
        ("reversible-heun", 2, 32),
    ],
)
def test_a_fixed_grid_solver_has_its_order(solver: str, order: int, steps: int) -> None:
    coarse, fine = (_error(ODEBlock(_Known(), solver=solver, steps=n)(_START)) for n in (steps, 2 * steps))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize(
    ("solver", "order", "steps"),
    [("dopri5", 5, 8), ("bosh3", 3, 16), ("adaptive_heun", 2, 32), ("fehlberg2", 2, 32), ("dopri8", 8, 4)],
)
def test_the_scheme_of_an_adaptive_solver_has_its_order_on_a_fixed_grid(solver: str, order: int, steps: int) -> None:
    scheme = embedded_scheme(solver).scheme
    errors = []
    for count in (steps, 2 * steps):
        f = Evaluator(_Known(), _START, Counts())
        states, _ = solve(scheme, f, uniform_grid(1.0, count, [1.0]), _START)
        errors.append(_error(states[-1]))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.5)


@pytest.mark.parametrize("gradient", ["backprop", "aca"])
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_an_adaptive_solver_meets_its_tolerance(solver: str, gradient: str) -> None:
    block = ODEBlock(_Known(), solver=solver, gradient=gradient, rtol=1e-5, atol=1e-5)
    assert _error(block(_START)) < (1e-2 if solver == "fehlberg2" else 1e-3)  # whose estimate is 1/512 of two slopes
    assert block.steps_accepted > 1
    assert block.nfe_forward > block.steps_accepted


@pytest.mark.parametrize("gradient", ["backprop", "aca"])
def test_a_tighter_tolerance_costs_evaluations_and_gives_accuracy(gradient: str) -> None:
    block = ODEBlock(_Known(), solver="dopri5", gradient=gradient)
    errors, costs = [], []
    for tolerance in (1e-3, 1e-6, 1e-9):
        block.rtol = block.atol = tolerance
        block.reset_nfe()
        errors.append(_error(block(_START)))
        costs.append(block.nfe_forward)
    assert errors[0] > errors[1] > errors[2]
    assert costs[0] < costs[1] < costs[2]


@pytest.mark.parametrize("solver", ["rk4", "alf", "reversible-heun", "dopri5"])
def test_a_trajectory_gives_the_solution_at_each_time_from_one_solve(solver: str) -> None:
    block = ODEBlock(_Known(), solver=solver, steps=20, rtol=1e-6, atol=1e-6)
    times = (0.0, 0.25, 0.5, 1.0)
    states = block.trajectory(_START, times)
    assert len(states) == 4
    for time, state in zip(times, states, strict=True):
        assert _error(state, time) < 3e-3
    alone = ODEBlock(_Known(), solver=solver, steps=20, rtol=1e-6, atol=1e-6)
    for found, expected in zip(states[-1], alone(_START), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert block.nfe_forward == alone.nfe_forward


def test_a_trajectory_with_aca_steps_onto_each_time() -> None:
    block = ODEBlock(_Known(), solver="dopri5", gradient="aca", rtol=1e-6, atol=1e-6)
    for time, state in zip((0.3, 1.0), block.trajectory(_START, (0.3, 1.0)), strict=True):
        assert _error(state, time) < 1e-5


def test_a_shorter_trajectory_makes_fewer_evaluations() -> None:
    block = ODEBlock(_Known(), solver="euler", steps=8)
    block.trajectory(_START, (0.25,))
    assert block.nfe_forward == 2
