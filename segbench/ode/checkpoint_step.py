"""Back-propagation that stores the state at the start of each step and repeats the step in the backward pass.

Stored: one state a step, and while one step is differentiated all tensors that f saves at its stages (four evaluations'
worth for rk4: `checkpoint-stage` holds one). Evaluations: one solve forward, one more backward. Exact.
Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", applied to solver steps; f must give the same
values twice (no dropout).
"""

from __future__ import annotations

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import TimeGrid
from segbench.ode.scheme import Carry, Scheme
from segbench.ode.state import State


class CheckpointedSteps:
    """A scheme that carries nothing but the state, each step checkpointed."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self.evaluations = scheme.evaluations
        self.start = scheme.start

    def step(self, f: Evaluator, grid: TimeGrid, number: int, carry: Carry) -> Carry:
        def run(*state: Tensor) -> State:
            return self._scheme.step(f, grid, number, (state,))[0]

        state: State = checkpoint(run, *carry[0], use_reentrant=False, preserve_rng_state=False)
        return (state,)
