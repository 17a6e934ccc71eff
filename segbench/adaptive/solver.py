"""A solve on a fixed grid as a run: a stage is a step, after which images can leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from segbench.adaptive.run import DecisionUnit, Run
from segbench.errors import UserError
from segbench.ode.block import ODEBlock, accumulated_in_full
from segbench.ode.evaluator import Evaluator
from segbench.ode.grid import uniform_grid
from segbench.ode.methods import SCHEMES
from segbench.ode.state import State


@runtime_checkable
class OneState(Protocol):
    """A network around a single ODE: image to state, state to logits."""

    ode: ODEBlock

    def encode(self, images: Tensor) -> State: ...
    def decode(self, streams: State, size: tuple[int, int]) -> Any: ...


class SolverRun(Run):
    """The solve of a batch on the training's grid, one step at a time; its state can be read at any of them.

    Args:
        network: its block's solver, grid and counters are used.
        images: `(N, 3, H, W)`.
        f: in place of the block's.

    Raises:
        UserError: the solver is adaptive: its steps are decided by all samples together.
    """

    unit: DecisionUnit = "image"
    readable_at_start = True

    def __init__(self, network: OneState, images: Tensor, f: nn.Module | None = None) -> None:
        block = network.ode
        if block.solver not in SCHEMES:
            raise UserError(
                f"leaving early needs a fixed grid, and {block.solver} chooses its steps; take -a solver=euler"
            )
        super().__init__(len(images), block.steps, images.device)
        self._network = network
        state = accumulated_in_full(network.encode(images))
        self._scheme, self._grid = SCHEMES[block.solver], uniform_grid(block.t_end, block.steps, [block.t_end])
        self._f = Evaluator(f or block.f, state, block.counts)
        self._carry = self._scheme.start(self._f, self._grid, state)

    def state(self) -> State:
        """At the current time."""
        return self._carry[0]

    def _advance(self) -> None:
        self._carry = self._scheme.step(self._f, self._grid, self.stage, self._carry)

    def _read(self) -> Tensor:
        largest = self.state()[0]
        scores: Tensor = self._network.decode(self.state(), (largest.shape[-2], largest.shape[-1]))
        return scores

    def _keep(self, which: Tensor, rows: Tensor) -> None:  # noqa: ARG002
        if len(rows) < len(self.state()[0]):
            self._carry = tuple(tuple(part[rows] for part in state) for state in self._carry)


@dataclass
class StepByStep:
    """Any network around a single ODE as one that can be left after every step, image by image."""

    network: OneState
    default_policy: str | None = None
    simulated: str | None = None
    multiple_of: int = 1

    def begin(self, images: Tensor) -> SolverRun:
        return SolverRun(self.network, images)
