"""A U-Net whose levels are blocks that keep width and size, joined by 1x1 convolutions: U-Node's and U-ResNet's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from segbench.zoo.blocks import resize, size_of


class LevelU(nn.Module):
    """Five levels, nine blocks, and no other 3x3 convolution: between the levels only the width changes.

    Down: the block's result is the level's skip; a 1x1 convolution doubles the width and the map is halved bilinearly.
    Up: resized bilinearly to the skip's size, concatenated with it, and brought to the level's width by a 1x1
    convolution, then the next block. Leaky ReLU after each 1x1 convolution. Halving odd sizes upwards and PyTorch's
    initial weights are ours.

    Args:
        classes: of the logits.
        width: of the first level, doubled at each of the others.
        levels: with the bottom one.
        block: makes the block of so many channels.
        down_from_input: the way down takes the block's input, and only the skip its result.
    """

    def __init__(
        self, classes: int, width: int, levels: int, block: Callable[[int], nn.Module], down_from_input: bool = False
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]
        rising = list(pairwise(reversed(widths)))
        self.down_from_input = down_from_input
        self.widen = nn.ModuleList(_pointwise(a, b) for a, b in pairwise([3, *widths]))
        self.encoder = nn.ModuleList(block(channels) for channels in widths)
        self.narrow = nn.ModuleList(_pointwise(below + own, own) for below, own in rising)
        self.decoder = nn.ModuleList(block(own) for _, own in rising)
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        skips: list[Tensor] = []
        maps = images
        for number, (widen, level) in enumerate(zip(self.widen, self.encoder, strict=True)):
            entering = widen(maps)
            entering = _halved(entering) if number else entering
            skips.append(level(entering))
            maps = entering if self.down_from_input else skips[-1]
        maps = skips.pop()
        for narrow, level in zip(self.narrow, self.decoder, strict=True):
            skip = skips.pop()
            maps = level(narrow(torch.cat([resize(maps, size_of(skip)), skip], dim=1)))
        logits: Tensor = self.classifier(maps)
        return logits


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.LeakyReLU(inplace=True))


def _halved(maps: Tensor) -> Tensor:
    height, width = size_of(maps)
    return resize(maps, ((height + 1) // 2, (width + 1) // 2))
