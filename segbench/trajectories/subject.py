"""A network that can end early: its two static knobs, the end time and the number of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from segbench.adaptive.solver import OneState
from segbench.errors import UserError
from segbench.layers.norms import StageBatchNorm2d
from segbench.ode.block import ODEBlock
from segbench.ode.methods import SCHEMES
from segbench.ode.state import State
from segbench.zoo import HasTrajectory

T = TypeVar("T")

_SAME = 1e-6
"""In steps: a time this near to a point of the solver's grid is meant to be that point."""

_ADAPTIVE_PARTS = 4
"""Where a solver has no steps of its own, the default end times cut the interval into as many parts as the default
card's steps do."""


@dataclass(frozen=True)
class End:
    """One way to end a solve.

    Attributes:
        time: where; beyond the network's own end it is an extrapolation.
        steps: of the fixed grid from 0 to `time`; None where a solver chooses its steps or there is no solver.
        knob: `time` (the training's step length, a shorter interval) or `steps` (the whole interval in other steps).
    """

    time: float
    steps: int | None
    knob: str = "time"

    def __str__(self) -> str:
        return f"t = {self.time:g}" + (f" in {self.steps} steps" if self.knob == "steps" else "")


class Subject:
    """A network seen along its time: an ODE network of the zoo, or one whose exits count as times 1, 2, ...

    Args:
        network: with `trajectory` and `t_end` (`segbench.zoo.HasTrajectory`).

    Raises:
        UserError: it has neither.
    """

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, HasTrajectory):
            raise UserError(
                f"{type(network).__name__} has no trajectory: its answer does not improve with a solver's time; choose"
                " an ODE network (segnode, segnode-w8) or one with exits"
            )
        self.network: nn.Module = network
        self.t_end = float(network.t_end)
        self.blocks = [module for module in network.modules() if isinstance(module, ODEBlock)]
        self._answer_at = network.trajectory

    @property
    def steps(self) -> int | None:
        """Steps of the fixed grid from 0 to `t_end`; None for adaptive solvers and exits."""
        block = self.blocks[0] if self.blocks else None
        return block.steps if block is not None and block.solver in SCHEMES else None

    def usual_times(self) -> list[float]:
        """The points of the solver's grid, 0 included; the exits, for a network that has them."""
        if not self.blocks:
            return [float(number) for number in range(1, round(self.t_end) + 1)]
        if self.steps is not None:
            return self.grid()
        return [self.t_end * part / _ADAPTIVE_PARTS for part in range(_ADAPTIVE_PARTS + 1)]

    def usual_steps(self) -> list[int]:
        """1, half and double the training's steps; none where they cannot be set or norms are tied to the grid."""
        tied = any(isinstance(module, StageBatchNorm2d) and module.stages for module in self.network.modules())
        if self.steps is None or tied:
            return []
        return sorted({1, max(1, self.steps // 2), self.steps, 2 * self.steps})

    def grid(self) -> list[float]:
        """The points of the fixed grid, 0 and `t_end` included.

        Raises:
            UserError: there is none.
        """
        if self.steps is None:
            raise UserError("--stop needs a fixed grid, where images can leave between steps; take -a solver=euler")
        return [self.t_end * step / self.steps for step in range(self.steps + 1)]

    def end_at(self, time: float) -> End:
        """The solve that ends at a time with the training's step length, or a little less to meet it.

        A time as good as on the grid is the grid's.
        """
        if self.steps is None:
            return End(time, None)
        exact = time * self.steps / self.t_end
        near = round(exact)
        if abs(exact - near) <= _SAME:
            return End(self.t_end * near / self.steps, near)
        return End(time, math.ceil(exact))

    def ends_at(self, times: Sequence[float]) -> list[End]:
        """`end_at` for several times, each once, in order; `t_end` is always among them, as what others refer to."""
        return list(dict.fromkeys(self.end_at(time) for time in sorted({*times, self.t_end})))

    def in_steps(self, steps: int) -> End:
        """The whole solve in another number of steps.

        Raises:
            UserError: the solver chooses its steps, there is no solver, or the number is not positive.
        """
        if self.steps is None:
            who = f"solver {self.blocks[0].solver}" if self.blocks else type(self.network).__name__
            raise UserError(f"{who} has no number of steps to set; leave --steps out, or take a fixed grid (euler)")
        if steps < 1:
            raise UserError(f"--steps {steps} is no number of steps; give whole numbers from 1, as in 1,2,4,8")
        return End(self.t_end, steps, "steps")

    def answer(self, images: Tensor, end: End) -> Tensor:
        """Logits `(N, classes, H, W)` of one solve that ends there.

        Raises:
            UserError: the solver gives up, or norms are tied to the training's grid.
        """
        return self.answers(images, [end])[0]

    def answers(self, images: Tensor, ends: Sequence[End]) -> list[Tensor]:
        """Logits at several end times, increasing; from one solve where they lie on one grid."""
        return self._at_all(ends, lambda times: self._answer_at(images, times))

    def states(self, images: Tensor, ends: Sequence[End]) -> list[State]:
        """The solver's states at several end times, increasing.

        Raises:
            UserError: the network has several ODE blocks, or none, and so no single state.
        """
        network = self.streams
        return self._at_all(ends, lambda times: network.ode.trajectory(network.encode(images), times))

    @property
    def streams(self) -> OneState:
        """The network, as one whose state can be made, stepped and read.

        Raises:
            UserError: it has several ODE blocks, or none.
        """
        if not isinstance(self.network, OneState) or len(self.blocks) != 1:
            name = type(self.network).__name__
            raise UserError(f"{name} has {len(self.blocks)} ODE blocks, not a single state as segnode has")
        return self.network

    def _at_all(self, ends: Sequence[End], solve: Callable[[list[float]], list[T]]) -> list[T]:
        together = len(ends) == 1 or self.steps is None or all(self._on_grid(end) for end in ends)
        found: list[T] = []
        for group in [list(ends)] if together else [[end] for end in ends]:
            with self._grid(group[-1].time, group[-1].steps):
                found += solve([end.time for end in group])
        return found

    def _on_grid(self, end: End) -> bool:
        assert self.steps is not None
        exact = end.time * self.steps / self.t_end
        return end.knob == "time" and abs(exact - round(exact)) <= _SAME

    @contextmanager
    def _grid(self, t_end: float, steps: int | None) -> Iterator[None]:
        """The blocks' interval from 0 to a time, which may lie beyond the network's own end."""
        before = [(block.t_end, block.steps) for block in self.blocks]
        if t_end > 0:  # a solve of no length has no grid; its answer is the state it starts from
            for block in self.blocks:
                block.t_end, block.steps = t_end, block.steps if steps is None else steps
        try:
            yield
        finally:
            for block, (end, count) in zip(self.blocks, before, strict=True):
                block.t_end, block.steps = end, count
