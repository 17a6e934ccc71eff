"""ODE blocks over a single map, for U-Nets that have several of them, one a level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norms import frozen_statistics
from segbench.ode.block import ODEBlock


class TimeConv(nn.Conv2d):
    """A 3x3 convolution with bias that also reads t, as a constant channel behind the others.

    The way of torchdiffeq's example (`odenet_mnist.py`), which U-Node follows.

    Args:
        channels: in and out.
        timed: False for a plain convolution that does not see t.
    """

    def __init__(self, channels: int, timed: bool = True) -> None:
        super().__init__(channels + timed, channels, 3, padding=1)
        self.timed = timed

    def at(self, time: float | Tensor, maps: Tensor) -> Tensor:
        """`(N, channels, H, W)` -> the same shape."""
        if not self.timed:
            return self(maps)  # type: ignore[no-any-return]
        clock = torch.ones_like(maps[:, :1]) * time
        return self(torch.cat([maps, clock], dim=1))  # type: ignore[no-any-return]


class MapODE(nn.Module):
    """`(N, C, H, W)` -> its state at `end` under `dh/dt = f(t, h)`, the same shape.

    Args:
        f: `f(t, maps) -> derivative`.
        solving: arguments of `ODEBlock`.

    Attributes:
        end: when the solve ends; `t_end` but inside `answers_at`.
    """

    def __init__(self, f: nn.Module, **solving: str | float) -> None:
        super().__init__()
        self.ode = ODEBlock(_OfOne(f), **solving)  # type: ignore[arg-type]
        self.end = self.ode.t_end

    def forward(self, maps: Tensor) -> Tensor:
        """The map at `end`."""
        ((solved,),) = self.ode.trajectory((maps,), (self.end,))
        return solved


class _OfOne(nn.Module):
    """A function of one map as a function of a state of one part."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__()
        self.f = f

    def forward(self, time: float | Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self.f(time, state[0]),)


def answers_at(network: nn.Module, images: Tensor, times: Sequence[float]) -> list[Tensor]:
    """What the network answers when each of its ODE blocks ends at the same earlier time; one pass for each of `times`.

    The blocks are in series, so no single solve has all answers, as SegNode's has. Batch norms behind them remember the
    statistics of the last answer only, which is the one they will be asked for.

    Raises:
        UserError: the network has no such block, or a time is not one its solver can end at.
    """
    blocks = [module for module in network.modules() if isinstance(module, MapODE)]
    if not blocks:
        raise UserError(f"{type(network).__name__} has no ODE block, and so no answers at other times")
    answers: list[Tensor] = []
    for time in times:
        early = network.training and time != times[-1]
        with _ending_at(blocks, time), frozen_statistics(network) if early else nullcontext():
            answers.append(network(images))
    return answers


@contextmanager
def _ending_at(blocks: Sequence[MapODE], time: float) -> Iterator[None]:
    ends = [block.end for block in blocks]
    for block in blocks:
        block.end = time
    try:
        yield
    finally:
        for block, end in zip(blocks, ends, strict=True):
            block.end = end
