"""The continuous adjoint on the forward grid, with parameter gradients as a quadrature beside the solve.

State y and cotangent a are solved backwards in time by the forward scheme, a' = -(df/dy)^T a; the parameter gradient,
the integral of (df/dtheta)^T a, needs no state of its own and is summed with the scheme's weights.
Stored: the kept states only. Evaluations: one solve forward, as many backward. Approximate: the solution is not
retraced exactly and the discrete gradient is another one; on SegNode's untrained f its error against the exact gradient
was 0.18 (group norm) and 1.12 (batch norm) with two steps of rk4, so look at `gradient_relative_error` before use.
Source: Chen et al. 2018, "Neural Ordinary Differential Equations", section 2; the quadrature in Kidger et al. 2021,
""Hey, that's not an ODE": Faster ODE Adjoints via Seminorms", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.ode.evaluator import Evaluator, GradientSum
from segbench.ode.grid import TimeGrid
from segbench.ode.runge_kutta import RungeKutta
from segbench.ode.scheme import solve
from segbench.ode.state import State, advance


@dataclass(frozen=True)
class QuadratureAdjoint:
    scheme: RungeKutta

    def forward(self, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Sequence[State]]:
        kept, _ = solve(self.scheme, f, grid, state)
        return kept, kept

    def backward(
        self, f: Evaluator, grid: TimeGrid, stored: Sequence[State], cotangents: Sequence[State], total: GradientSum
    ) -> State:
        """As torchdiffeq does, the retraced solution is put right at every kept time."""
        *earlier, state = stored
        *pending, cotangent = cotangents
        for number in reversed(range(grid.steps)):
            state, cotangent = self._step_back(f, grid, number, state, cotangent, total)
            if number in grid.kept:
                state, cotangent = earlier.pop(), advance(cotangent, [1.0], [pending.pop()])
        return cotangent

    def _step_back(
        self, f: Evaluator, grid: TimeGrid, number: int, state: State, cotangent: State, total: GradientSum
    ) -> tuple[State, State]:
        tableau = self.scheme.tableau
        start, length = grid.step(number)
        slopes: list[State] = []
        pulls: list[State] = []
        for stage, (row, c, weight) in enumerate(zip(tableau.a, tableau.c, tableau.b, strict=True)):
            slope, pulled, gradients = f.vjp(
                start + length - c * length,
                advance(state, [-length * a for a in row], slopes),
                advance(cotangent, [length * a for a in row], pulls),
                (number + 1) * tableau.stages - 1 - stage,
            )
            slopes.append(slope)
            pulls.append(pulled)
            if weight:
                total.add(gradients, length * weight)
        weights = [length * b for b in tableau.b]
        return advance(state, [-w for w in weights], slopes), advance(cotangent, weights, pulls)
