"""PSPNet: pyramid scene parsing (Zhao et al., arXiv 1612.01105, figure 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.zoo.blocks import conv_norm_relu, pooled, resize, size_of
from segbench.zoo.resnet import ResNetBody


class PSPNet(nn.Module):
    """A dilated ResNet, the same maps averaged over ever coarser grids as context, and a classifier over all of them.

    The body's maps `(N, C, H / 8, W / 8)` are pooled to each grid of `bins`, projected by 1x1 convolutions, resized
    back and concatenated with the body's own; a bottleneck convolution and the classifier follow, and the scores
    are resized to the image's size. The auxiliary loss head of the original is left out.

    With the defaults this is the usual PSPNet-50 (46,587,467 parameters at 11 classes; a 7x7 stem where the authors'
    code has three 3x3 convolutions). SegNode's table 2 prints 23.7 million, which no usual PSPNet has, and the paper
    does not say more. Nearest comes, our inference: depth 34, pool_width 512, bottleneck_kernel 1, classifier_kernel 3,
    which counts 23,699,787.

    Args:
        classes: of the logits.
        depth: of the ResNet.
        output_stride: of the ResNet.
        bins: sides of the pooling grids.
        pool_width: channels of each projected grid; None for the body's channels divided by the number of grids.
        bottleneck_kernel: side of the convolution that merges body and grids.
        width: channels after it.
        classifier_kernel: side of the last convolution.
        dropout: share of channels dropped before the classifier.
    """

    def __init__(
        self,
        classes: int = 11,
        depth: int = 50,
        output_stride: int = 8,
        bins: Sequence[int] = (1, 2, 3, 6),
        pool_width: int | None = None,
        bottleneck_kernel: int = 3,
        width: int = 512,
        classifier_kernel: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.body = ResNetBody(depth, output_stride)
        channels = self.body.channels
        grid_width = channels // len(bins) if pool_width is None else pool_width
        self.grids = nn.ModuleList(pooled(side, channels, grid_width) for side in bins)
        self.bottleneck = nn.Sequential(
            *conv_norm_relu(channels + len(bins) * grid_width, width, bottleneck_kernel), nn.Dropout2d(dropout)
        )
        self.classifier = nn.Conv2d(width, classes, classifier_kernel, padding=classifier_kernel // 2)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        maps = self.body(images)
        context = [resize(grid(maps), size_of(maps)) for grid in self.grids]
        scores = self.classifier(self.bottleneck(torch.cat([maps, *context], dim=1)))
        return resize(scores, size_of(images))
