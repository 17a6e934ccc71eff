"""Discretise-then-optimise: the exact gradient of a Runge-Kutta solve from the points at which f was evaluated.

Stored: one state for each evaluation (about 1/25 of what SegNode's f saves), and while one evaluation is differentiated
its graph. Evaluations: one solve forward, one more backward. Exact.
Source: the discrete adjoint of an explicit Runge-Kutta method (Sandu 2006, "On the Properties of Runge-Kutta Discrete
Adjoints"); storing stage inputs as in Onken and Ruthotto 2020, "Discretize-Optimize vs. Optimize-Discretize".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.ode.evaluator import Evaluator, GradientSum
from segbench.ode.grid import TimeGrid
from segbench.ode.runge_kutta import RungeKutta
from segbench.ode.state import State, advance, combined


@dataclass(frozen=True)
class CheckpointStage:
    """The method for one scheme; any grid, so also one that an adaptive solver has found."""

    scheme: RungeKutta

    def forward(self, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Sequence[State]]:
        kept, points = [], []
        for number in range(grid.steps):
            state, visited = self.scheme.step_through(f, grid, number, state)
            points += visited
            if number + 1 in grid.kept:
                kept.append(state)
        return kept, points

    def backward(
        self, f: Evaluator, grid: TimeGrid, stored: Sequence[State], cotangents: Sequence[State], total: GradientSum
    ) -> State:
        stages = self.scheme.tableau.stages
        *pending, cotangent = cotangents
        for number in reversed(range(grid.steps)):
            points = stored[number * stages : (number + 1) * stages]
            cotangent = self._pull_step(f, grid, number, points, cotangent, total)
            if number in grid.kept:
                cotangent = advance(cotangent, [1.0], [pending.pop()])
        return cotangent

    def _pull_step(
        self, f: Evaluator, grid: TimeGrid, number: int, points: Sequence[State], cotangent: State, total: GradientSum
    ) -> State:
        """Cotangent of a step's start from that of its end.

        With the end's cotangent l, stage i's slope has m_i = dt (b_i l + sum over later stages j of a_ji g_j), its
        point g_i = (df/dx_i)^T m_i, and the start l + sum of g_i.
        """
        tableau = self.scheme.tableau
        time, length = grid.step(number)
        pulled: dict[int, State] = {}
        for stage in reversed(range(tableau.stages)):
            later = list(pulled)
            weights = [length * tableau.b[stage], *(length * tableau.a[j][stage] for j in later)]
            slope_cotangent = combined(weights, [cotangent, *(pulled[j] for j in later)])
            if slope_cotangent is None:
                continue
            _, pulled[stage], gradients = f.vjp(
                time + tableau.c[stage] * length, points[stage], slope_cotangent, number * tableau.stages + stage
            )
            total.add(gradients)
        return advance(cotangent, [1.0] * len(pulled), list(pulled.values()))
