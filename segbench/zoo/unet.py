"""U-Net (Ronneberger, Fischer and Brox, arXiv 1505.04597, figure 1)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from segbench.zoo.blocks import conv_norm_relu, resize, size_of


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU; the size stays."""
    return nn.Sequential(*conv_norm_relu(inputs, outputs), *conv_norm_relu(outputs, outputs))


class UNet(nn.Module):
    """An encoder that halves the size and doubles the width, a decoder that goes back, and a skip at each level.

    The five levels have widths 64, 128, 256, 512, 1024 and sizes 1, 1/2, 1/4, 1/8, 1/16 of the image. Down: 2x2 max
    pooling. Up: a 2x2 transposed convolution with stride 2 that halves the width; its result is concatenated with the
    skip of that level.

    Ours, where the original differs: padded convolutions (it crops), batch norm instead of biases (it has no norm),
    and bilinear resizing to the skip's size where an odd size was halved. This reading counts 31,038,283 parameters at
    11 classes; SegNode's table 2 prints 31.0 million.

    Args:
        classes: of the logits.
        width: of the first level.
        levels: with the bottom one.
    """

    def __init__(self, classes: int = 11, width: int = 64, levels: int = 5) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(double_conv(a, b) for a, b in pairwise([3, *widths]))
        rising = list(pairwise(reversed(widths)))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in rising)
        self.decoder = nn.ModuleList(double_conv(a, b) for a, b in rising)
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`; H and W at least 2 ** (levels - 1)."""
        skips = [self.encoder[0](images)]
        for level in self.encoder[1:]:
            skips.append(level(self.pool(skips[-1])))
        maps = skips.pop()
        for up, level in zip(self.up, self.decoder, strict=True):
            skip = skips.pop()
            maps = level(torch.cat([skip, resize(up(maps), size_of(skip))], dim=1))
        logits: Tensor = self.classifier(maps)
        return logits
