"""The asynchronous leapfrog: second order, one evaluation a step, and reversible by algebra.

Carries the solution z and a velocity v, at first f(0, z). A step: m = z + dt/2 v, v' = 2 f(t + dt/2, m) - v,
z' = m + dt/2 v'. Backwards the same with the sign of dt turned.
Source: Mutze 2013, "An asynchronous leapfrog method II"; Zhuang et al. 2021, "MALI: A memory efficient and reverse
accurate integrator for Neural ODEs".
Its region of stability touches the negative real axis only at 0: keep f's Jacobian times the step moderate.
"""

from __future__ import annotations

from collections.abc import Sequence

from segbench.ode.evaluator import Evaluator, GradientSum
from segbench.ode.grid import TimeGrid
from segbench.ode.scheme import Carry, solve
from segbench.ode.state import State, advance, scaled, zeros_like


class ALF:
    """The scheme; its carry is (z, v)."""

    def evaluations(self, steps: int) -> int:
        return steps + 1

    def start(self, f: Evaluator, grid: TimeGrid, state: State) -> Carry:
        return state, f(grid.times[0], state, 0)

    def step(self, f: Evaluator, grid: TimeGrid, number: int, carry: Carry) -> Carry:
        solution, velocity = carry
        time, length = grid.step(number)
        middle = advance(solution, [length / 2], [velocity])
        slope = f(time + length / 2, middle, number + 1)
        velocity = advance(scaled(2.0, slope), [-1.0], [velocity])
        return advance(middle, [length / 2], [velocity]), velocity


class ReversibleALF:
    """MALI: the gradient of an ALF solve from its last carry alone.

    Stored: two states, whatever the number of steps. Evaluations: steps + 1 forward, as many backward. Exact up to the
    rounding of the reconstruction (float32: 1e-6 for a smooth f, 2e-3 for SegNode's with group norm, 6e-2 with batch
    norm, which amplifies it).
    """

    def __init__(self, scheme: ALF) -> None:
        self._scheme = scheme

    def forward(self, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Sequence[State]]:
        return solve(self._scheme, f, grid, state)

    def backward(
        self, f: Evaluator, grid: TimeGrid, stored: Sequence[State], cotangents: Sequence[State], total: GradientSum
    ) -> State:
        """Reconstructs step by step; for (z', v') with cotangents (p, q), s = q + dt/2 p is all that reaches v'.

        Then m has p + (df/dm)^T 2s, which is z's, and v has dt/2 times that minus s.
        """
        solution, velocity = stored
        *pending, p = cotangents
        q = zeros_like(velocity)
        for number in reversed(range(grid.steps)):
            time, length = grid.step(number)
            middle = advance(solution, [-length / 2], [velocity])
            s = advance(q, [length / 2], [p])
            slope, pulled, gradients = f.vjp(time + length / 2, middle, scaled(2.0, s), number + 1)
            total.add(gradients)
            velocity = advance(scaled(2.0, slope), [-1.0], [velocity])
            solution = advance(middle, [-length / 2], [velocity])
            p = advance(p, [1.0], [pulled])
            q = advance(scaled(length / 2, p), [-1.0], [s])
            if number in grid.kept:
                p = advance(p, [1.0], [pending.pop()])
        _, pulled, gradients = f.vjp(grid.times[0], solution, q, 0)
        total.add(gradients)
        return advance(p, [1.0], [pulled])
