"""Explicit Runge-Kutta schemes on a grid."""

from __future__ import annotations

from dataclasses import dataclass

from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid
from segbench.ode.scheme import Carry
from segbench.ode.state import State, advance
from segbench.ode.tableaus import Tableau


@dataclass(frozen=True)
class RungeKutta:
    """The scheme of a tableau; it carries nothing but the state.

    ReLU networks have kinks, which hold rk4 to about second order (measured on SegNode's f: a quarter of the error for
    half the step): a high order pays less here than few evaluations.
    """

    tableau: Tableau

    def evaluations(self, steps: int) -> int:
        return steps * self.tableau.stages

    def start(self, f: Evaluator, grid: TimeGrid, state: State) -> Carry:  # noqa: ARG002
        return (state,)

    def step(self, f: Evaluator, grid: TimeGrid, number: int, carry: Carry) -> Carry:
        state, _ = self.step_through(f, grid, number, carry[0])
        return (state,)

    def step_through(self, f: Evaluator, grid: TimeGrid, number: int, state: State) -> tuple[State, list[State]]:
        """The state after a step, and the points at which f was evaluated on the way."""
        tableau = self.tableau
        time, length = grid.step(number)
        slopes: list[State] = []
        points: list[State] = []
        for stage, (row, c) in enumerate(zip(tableau.a, tableau.c, strict=True)):
            points.append(advance(state, [length * a for a in row], slopes))
            slopes.append(f(time + c * length, points[-1], number * tableau.stages + stage))
        return advance(state, [length * b for b in tableau.b], slopes), points
