"""DeepLab v3: atrous spatial pyramid pooling (Chen et al., arXiv 1706.05587, figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.zoo.blocks import PooledBatchNorm, conv_norm_relu, resize, size_of
from segbench.zoo.resnet import ResNetBody


class DeepLabV3(nn.Module):
    """A dilated ResNet, then parallel convolutions of several dilations that see the same pixel at several ranges.

    The body's maps `(N, 2048, H / 8, W / 8)` go through a 1x1 convolution, three dilated 3x3 convolutions and the
    image's average, `width` channels each; their concatenation is projected, convolved once more and classified.

    The head is torchvision's: a 3x3 convolution before the classifier, and the rates 12, 24, 36 that the paper gives
    for output stride 8. Without auxiliary head it counts 58,628,427 parameters at 11 classes and 58,630,997 at
    21, torchvision's number. Multi-grid dilation and the authors' rates in the last block are left out.

    Args:
        classes: of the logits.
        depth: of the ResNet.
        output_stride: of the ResNet.
        rates: dilations; halve them for output stride 16.
        width: channels of each branch.
        dropout: share of values dropped after the projection.
    """

    def __init__(
        self,
        classes: int = 11,
        depth: int = 101,
        output_stride: int = 8,
        rates: Sequence[int] = (12, 24, 36),
        width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.body = ResNetBody(depth, output_stride)
        channels = self.body.channels
        self.ranges = nn.ModuleList([nn.Sequential(*conv_norm_relu(channels, width, 1))])
        self.ranges.extend(nn.Sequential(*conv_norm_relu(channels, width, 3, dilation=rate)) for rate in rates)
        self.average = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, width, 1, bias=False),
            PooledBatchNorm(width),
            nn.ReLU(inplace=True),
        )
        self.projection = nn.Sequential(*conv_norm_relu((len(rates) + 2) * width, width, 1), nn.Dropout(dropout))
        self.classifier = nn.Sequential(*conv_norm_relu(width, width), nn.Conv2d(width, classes, 1))

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        maps = self.body(images)
        seen = [branch(maps) for branch in self.ranges]
        average = self.average(maps).expand(-1, -1, *maps.shape[-2:])
        scores = self.classifier(self.projection(torch.cat([*seen, average], dim=1)))
        return resize(scores, size_of(images))
