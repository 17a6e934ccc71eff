"""One-step schemes, and the solve that every gradient method's forward pass shares."""

from __future__ import annotations

from typing import Protocol

from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid
from segbench.ode.state import State

Carry = tuple[State, ...]
"""What a scheme takes from step to step; the first is the solution."""


class Scheme(Protocol):
    """A solver on a given grid."""

    def evaluations(self, steps: int) -> int:
        """Evaluations of f in so many steps, each with a stage number below this."""

    def start(self, f: Evaluator, grid: TimeGrid, state: State) -> Carry:
        """The carry at the grid's first time."""

    def step(self, f: Evaluator, grid: TimeGrid, number: int, carry: Carry) -> Carry:
        """The carry after step `number`, counted from 0."""


def solve(scheme: Scheme, f: Evaluator, grid: TimeGrid, state: State) -> tuple[list[State], Carry]:
    """States at the kept times, and the last carry.

    With gradients on this is plain back-propagation through the solver: every tensor that f saves at every evaluation
    is stored, no evaluation is repeated, the gradient is exact for the discrete solution.
    """
    carry = scheme.start(f, grid, state)
    kept = []
    for number in range(grid.steps):
        carry = scheme.step(f, grid, number, carry)
        if number + 1 in grid.kept:
            kept.append(carry[0])
    return kept, carry
