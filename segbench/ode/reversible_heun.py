"""The reversible Heun method: second order, one evaluation a step, and reversible by algebra.

Carries the solution y, an auxiliary z, at first y, and k = f(t, z). A step: z' = 2y - z + dt k, k' = f(t + dt, z'),
y' = y + dt/2 (k + k'). Backwards the same with the sign of dt turned.
Source: Kidger, Foster, Li, Lyons 2021, "Efficient and Accurate Gradients for Neural SDEs", algorithm 1, without noise.
"""

from __future__ import annotations

from collections.abc import Sequence

from segbench.ode.evaluator import Evaluator, GradientSum
from segbench.ode.grid import TimeGrid
from segbench.ode.scheme import Carry, solve
from segbench.ode.state import State, advance, scaled, zeros_like


class ReversibleHeun:
    """The scheme; its carry is (y, z, k)."""

    def evaluations(self, steps: int) -> int:
        return steps + 1

    def start(self, f: Evaluator, grid: TimeGrid, state: State) -> Carry:
        return state, state, f(grid.times[0], state, 0)

    def step(self, f: Evaluator, grid: TimeGrid, number: int, carry: Carry) -> Carry:
        solution, auxiliary, slope = carry
        time, length = grid.step(number)
        auxiliary = advance(scaled(2.0, solution), [-1.0, length], [auxiliary, slope])
        following = f(time + length, auxiliary, number + 1)
        return advance(solution, [length / 2, length / 2], [slope, following]), auxiliary, following


class ReversibleHeunGradient:
    """The gradient of a reversible Heun solve from its last carry alone.

    Stored: two states, whatever the number of steps. Evaluations: steps + 1 forward, as many backward: each is recorded
    once, gives the slope that reconstructs its step, and is pulled back when its cotangent is complete (the paper's
    algorithm 2 evaluates twice). Exact up to the rounding of the reconstruction (float32: 5e-7 for a smooth f, 7e-4 for
    SegNode's with group norm).
    """

    def __init__(self, scheme: ReversibleHeun) -> None:
        self._scheme = scheme

    def forward(self, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Sequence[State]]:
        kept, (solution, auxiliary, _) = solve(self._scheme, f, grid, state)
        return kept, (solution, auxiliary)

    def backward(
        self, f: Evaluator, grid: TimeGrid, stored: Sequence[State], cotangents: Sequence[State], total: GradientSum
    ) -> State:
        """With cotangents (p, q, r) of (y', z', k'): k' has r + dt/2 p, which f pulls to z' and completes q.

        Then y has p + 2q, z has -q, and k has dt/2 p + dt q.
        """
        solution, auxiliary = stored
        *pending, p = cotangents
        q, r = zeros_like(solution), zeros_like(solution)
        recording = f.record(grid.times[-1], auxiliary, grid.steps)
        for number in reversed(range(grid.steps)):
            time, length = grid.step(number)
            following = recording.derivative
            pulled, gradients = recording.pull(advance(r, [length / 2], [p]))
            total.add(gradients)
            q = advance(q, [1.0], [pulled])

            auxiliary = advance(scaled(2.0, solution), [-1.0, -length], [auxiliary, following])
            recording = f.record(time, auxiliary, number)
            solution = advance(solution, [-length / 2, -length / 2], [recording.derivative, following])

            r = advance(scaled(length / 2, p), [length], [q])
            p = advance(p, [2.0], [q])
            q = scaled(-1.0, q)
            if number in grid.kept:
                p = advance(p, [1.0], [pending.pop()])
        pulled, gradients = recording.pull(r)
        total.add(gradients)
        return advance(p, [1.0, 1.0], [q, pulled])
