"""What the networks are laid from: convolutions followed by batch norm, and bilinear resizing to a given size."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError

Size = tuple[int, int]
"""Height and width in pixels."""

Answer = Tensor | dict[str, Tensor]
"""Logits, or in training also those of an auxiliary head: `out` and `aux`."""


def main_logits(answer: Answer) -> Tensor:
    """Without the auxiliary ones."""
    return answer["out"] if isinstance(answer, dict) else answer


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """A convolution without bias that keeps the size at stride 1, and its batch norm.

    A list, to be spliced into a flat `nn.Sequential`: norm, ReLU and the next convolution then stand side by side,
    where a memory optimisation finds them.
    """
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """`conv_norm` with a ReLU that overwrites the norm's output."""
    return [*conv_norm(inputs, outputs, kernel, stride, dilation), nn.ReLU(inplace=True)]


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch norm of maps pooled to one pixel, which also trains at batch 1.

    One image gives one value a channel, of which there is no variance, and PyTorch refuses. Then, our choice, the
    running statistics normalise and stay as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)


def pooled(side: int, inputs: int, outputs: int) -> nn.Sequential:
    """The maps' averages over a grid of so many pixels a side, projected by a 1x1 convolution."""
    norm = PooledBatchNorm(outputs) if side == 1 else nn.BatchNorm2d(outputs)
    projection = nn.Conv2d(inputs, outputs, 1, bias=False)
    return nn.Sequential(nn.AdaptiveAvgPool2d(side), projection, norm, nn.ReLU(inplace=True))


def resize(maps: Tensor, size: Size, align_corners: bool = False) -> Tensor:
    """`maps` `(N, C, h, w)` resized bilinearly to `size`; the same tensor where it has that size."""
    if maps.shape[-2:] == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=align_corners)


def add_resized(maps: Iterable[Tensor], size: Size, align_corners: bool = False) -> Tensor:
    """The sum of maps of several sizes, each resized to `size`.

    Added one by one as the iterable makes them, so that a generator never has all of them alive at once.
    """
    return reduce(torch.add, (resize(addend, size, align_corners) for addend in maps))


def rows_and_columns(grid: object) -> Size:
    """A grid as it was given.

    Raises:
        UserError: it is not two whole numbers from 1.
    """
    match grid:
        case [int(rows), int(columns)] if min(rows, columns) > 0:
            return rows, columns
    raise UserError(f"grid is {grid}; give its rows and columns, whole numbers from 1, as -a grid=[3,4]")


def size_of(maps: Tensor) -> Size:
    """Height and width of `(N, C, H, W)`."""
    return maps.shape[-2], maps.shape[-1]
