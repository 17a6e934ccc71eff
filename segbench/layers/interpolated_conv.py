"""A convolution at some positions, the others interpolated from them (Liu et al., ICLR 2022, arXiv 2104.00749)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.layers.region_conv import Region, maps_of, rows_of

REACH = 3
"""Positions on either side: the authors' kernel is 7x7."""

SHARPNESS = 3.0
"""Of a new layer (the authors' code)."""

_EPSILON = 1e-5
"""Added to the kernel's sum (the authors' code)."""

_FAR = 1e5


class Masks:
    """Where the convolutions of a network compute, at whatever size they answer.

    Attributes:
        region: at the size of the scores; None: everywhere.
    """

    def __init__(self) -> None:
        self.region: Region | None = None
        self._given: Region | None = None
        self._resized: dict[tuple[int, int], Region] = {}

    def set(self, region: Region | None) -> None:
        """From now on; the same region again keeps what was derived from it."""
        if region is self._given:
            return
        self._given = region
        self.region = None if region is None or region.is_whole else region
        self._resized = {} if region is None else {(region.mask.shape[1], region.mask.shape[2]): region}

    def at(self, size: tuple[int, int]) -> Region | None:
        """The region for maps of a size: a position is as its nearest one of the scores."""
        if self.region is None:
            return None
        if size not in self._resized:
            mask = functional.interpolate(self.region.mask[:, None].float(), size=size)[:, 0] > 0
            self._resized[size] = Region(mask)
        return self._resized[size]


class InterpolatedConv2d(nn.Conv2d):
    """Where it does not compute, it puts what a Gaussian of 7x7 sees of the computed values around.

    The kernel `exp(-(sharpness * distance)^2)` without its centre is divided by its own sum, not by that of the
    weights at computed positions: far from those the result fades to 0, as in the authors' code. It is one depthwise
    convolution of all positions, 49 multiply-adds a value, where the convolution itself takes only those it computes.
    (A row and a column of seven taps give the same for 14, and take twice the time on a CPU.)

    Args:
        conv: whose weights and shape it takes over.
        masks: where it computes.

    Attributes:
        sharpness: the authors' lambda, learned.
    """

    def __init__(self, conv: nn.Conv2d, masks: Masks) -> None:
        assert not isinstance(conv.padding, str)
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            _pair(conv.kernel_size),
            _pair(conv.stride),
            _pair(conv.padding),
            _pair(conv.dilation),
            bias=conv.bias is not None,
        )
        self.weight, self.bias = conv.weight, conv.bias
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))
        self.register_buffer("squares", squared_distances(), persistent=False)
        self.squares: Tensor
        self._masks = masks

    def forward(self, input: Tensor) -> Tensor:
        """`(N, C, H, W)` -> `(N, C', h, w)`."""
        region = self._masks.at(self._answer_size(input))
        if region is None or region.is_whole:
            return super().forward(input)
        mask = region.mask[:, None]
        values = (
            self._gathered(input, region) if region.is_gathered and not self.training else super().forward(input) * mask
        )
        return torch.where(mask, values, self._interpolated(values))

    def _interpolated(self, values: Tensor) -> Tensor:
        weights = torch.exp(-(self.sharpness**2) * self.squares)
        kernel = weights / (weights.sum() + _EPSILON)
        channels = self.out_channels
        return functional.conv2d(values, kernel.expand(channels, 1, -1, -1), padding=REACH, groups=channels)

    def _gathered(self, maps: Tensor, region: Region) -> Tensor:
        values = region.convolve(self, rows_of(maps), (maps.shape[2], maps.shape[3]))
        return maps_of(region.scattered(values), len(maps), (region.mask.shape[1], region.mask.shape[2]))

    def _answer_size(self, maps: Tensor) -> tuple[int, int]:
        return self._side(maps.shape[2], 0), self._side(maps.shape[3], 1)

    def _side(self, pixels: int, axis: int) -> int:
        padding = self.padding[axis]
        assert isinstance(padding, int)
        reach = self.dilation[axis] * (self.kernel_size[axis] - 1)
        return (pixels + 2 * padding - reach - 1) // self.stride[axis] + 1


def squared_distances() -> Tensor:
    """From the middle of the kernel, `(7, 7)`; the middle itself is far away, so that it weighs nothing."""
    line = torch.arange(-REACH, REACH + 1) ** 2
    squares = (line[:, None] + line).float()
    squares[REACH, REACH] = _FAR
    return squares


def _pair(sides: tuple[int, ...]) -> tuple[int, int]:
    return sides[0], sides[1]
