"""The pre-activation exchange module: HRNetV2's last module as SegNode and its baseline repeat it (paper, figure 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.zoo.blocks import add_resized, size_of
from segbench.zoo.streams import W48, Streams

Descent = Literal["doubling", "keeping"]


class ExchangeModule(nn.Module):
    """Small blocks (norm, ReLU, 3x3 convolution) on each of four streams, then every stream is sent to every other.

    The module gives the *change* of the streams, so it ends with a sum and no ReLU: it must be able to be negative.
    The caller adds it to its input (a residual module) or integrates it (the f of an ODE).

    Exchange, from stream j to stream i: up by norm, ReLU, 1x1 convolution and bilinear resizing; down by a chain of
    norm, ReLU and strided 3x3 convolutions; to itself as it is. Stream i is the sum over j.

    Reading A, our inference from the paper's parameter counts: four small blocks a stream with one convolution each,
    and chains down that double the width at each step, as HRNet's transitions do. One module then has 10,001,376
    parameters at the paper's widths, and two or seven of them give its 20.9 and 70.9 million. HRNet's own chains,
    which keep the width until their last step, give 8,818,752 (`descent="keeping"`). Whether a small block
    adds its input (`skip`) does not show in the counts; without it a toy study was better.

    Args:
        widths: channels of the streams.
        blocks: small blocks a stream.
        norm: a kind of `make_norm`.
        skip: small blocks add their input.
        descent: widths of the chains down.
        recompute: norm, ReLU and convolution keep one tensor instead of two for the backward pass.
        time_conditioned: small blocks are scaled and shifted by t (FiLM): 2 parameters a channel and block.
        stages: evaluations in one solve, for norm `batch-per-stage`.
    """

    def __init__(
        self,
        widths: Sequence[int] = W48,
        blocks: int = 4,
        norm: str = "batch",
        skip: bool = False,
        descent: Descent = "doubling",
        recompute: bool = False,
        time_conditioned: bool = False,
        stages: int = 0,
    ) -> None:
        super().__init__()
        self.skip = skip
        self.branches = nn.ModuleList(
            nn.ModuleList(
                NormReluConv(width, width, 3, 1, norm, recompute, time_conditioned, stages) for _ in range(blocks)
            )
            for width in widths
        )

        def path(source: int, target: int) -> nn.Module:
            if source == target:
                return nn.Identity()
            if source > target:
                return NormReluConv(widths[source], widths[target], 1, 1, norm, recompute, stages=stages)
            steps = pairwise(_chain(widths, source, target, descent))
            return nn.Sequential(*(NormReluConv(a, b, 3, 2, norm, recompute, stages=stages) for a, b in steps))

        numbers = range(len(widths))
        self.fuse = nn.ModuleList(nn.ModuleList(path(j, i) for j in numbers) for i in numbers)

    def forward(self, streams: Streams, time: float | Tensor = 0.0) -> Streams:
        """The change of each stream, same shapes; `time` matters to FiLM only."""
        after = tuple(
            self.through(number, maps, lambda block, maps: block(maps, time)) for number, maps in enumerate(streams)
        )
        return tuple(self.exchanged(after))

    def through(self, number: int, maps: Tensor, change: Callable[[NormReluConv, Tensor], Tensor]) -> Tensor:
        """A stream after its small blocks, by what one of them makes of its input."""
        for block in self.branches[number]:  # type: ignore[attr-defined]
            changed = change(block, maps)
            maps = maps + changed if self.skip else changed
        return maps

    def exchanged(self, streams: Streams) -> Iterator[Tensor]:
        """What each stream gets from all streams, after their small blocks."""
        for paths, own in zip(self.fuse, streams, strict=True):
            assert isinstance(paths, nn.ModuleList)
            arriving = (path(maps) for path, maps in zip(paths, streams, strict=True))
            yield add_resized(arriving, size_of(own))


def _chain(widths: Sequence[int], source: int, target: int, descent: Descent) -> list[int]:
    """The widths along a chain down: 48, 96, 192 when doubling, 48, 48, 192 when keeping."""
    if descent == "doubling":
        return list(widths[source : target + 1])
    return [widths[source]] * (target - source) + [widths[target]]
