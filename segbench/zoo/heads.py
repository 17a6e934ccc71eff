"""Heads over the maps of a backbone, finest first: they turn `(N, C_i, h_i, w_i)` into class scores at some stride."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.zoo.blocks import conv_norm_relu, pooled, resize, size_of

StageMaps = Sequence[Tensor]
"""Of the backbone's stages, finest first."""


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels and a classifier over the last maps (torchvision's `FCNHead`,
    after Long et al., arXiv 1411.4038).

    Args:
        channels: of the stages' maps.
        classes: of the scores.
        dropout: share of values dropped before the classifier.
    """

    def __init__(self, channels: Sequence[int], classes: int, dropout: float = 0.1) -> None:
        width = channels[-1] // 4
        super().__init__(*conv_norm_relu(channels[-1], width), nn.Dropout(dropout), nn.Conv2d(width, classes, 1))

    def forward(self, maps: StageMaps) -> Tensor:
        """Scores at the last stage's stride."""
        return super().forward(maps[-1])  # type: ignore[no-any-return, no-untyped-call]


class ASPPHead(nn.Module):
    """Parallel convolutions of several dilations that see the same pixel at several ranges, and the image's average
    (Chen et al., arXiv 1706.05587, figure 5).

    The last maps go through a 1x1 convolution, dilated 3x3 convolutions and the average, `width` channels each; their
    concatenation is projected, convolved once more and classified, as in torchvision's head.

    Args:
        channels: of the stages' maps.
        classes: of the scores.
        rates: dilations; 12, 24, 36 are the paper's for output stride 8, half of them for 16.
        width: channels of each branch.
        dropout: share of values dropped after the projection.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        rates: Sequence[int] = (12, 24, 36),
        width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        inputs = channels[-1]
        self.ranges = nn.ModuleList([nn.Sequential(*conv_norm_relu(inputs, width, 1))])
        self.ranges.extend(nn.Sequential(*conv_norm_relu(inputs, width, 3, dilation=rate)) for rate in rates)
        self.average = pooled(1, inputs, width)
        self.projection = nn.Sequential(*conv_norm_relu((len(rates) + 2) * width, width, 1), nn.Dropout(dropout))
        self.classifier = nn.Sequential(*conv_norm_relu(width, width), nn.Conv2d(width, classes, 1))

    def forward(self, maps: StageMaps) -> Tensor:
        """Scores at the last stage's stride."""
        last = maps[-1]
        seen = [branch(last) for branch in self.ranges]
        average = self.average(last).expand(-1, -1, *last.shape[-2:])
        return self.classifier(self.projection(torch.cat([*seen, average], dim=1)))  # type: ignore[no-any-return]


class UPerHead(nn.Module):
    """A pyramid of averages over the last maps, and a feature pyramid down to the first (UPerNet: Xiao et al., arXiv
    1807.10221, figure 4; channels and the 3x3 bottleneck as in mmsegmentation's `UPerHead`).

    Args:
        channels: of the stages' maps.
        classes: of the scores.
        width: channels of every level.
        bins: sides of the pooling grids.
        dropout: share of channels dropped before the classifier.
    """

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        width: int = 512,
        bins: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        *finer, last = channels
        self.grids = nn.ModuleList(pooled(side, last, width) for side in bins)
        self.bottleneck = nn.Sequential(*conv_norm_relu(last + len(bins) * width, width))
        self.laterals = nn.ModuleList(nn.Sequential(*conv_norm_relu(inputs, width, 1)) for inputs in finer)
        self.outputs = nn.ModuleList(nn.Sequential(*conv_norm_relu(width, width)) for _ in finer)
        self.fusion = nn.Sequential(*conv_norm_relu(len(channels) * width, width), nn.Dropout2d(dropout))
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, maps: StageMaps) -> Tensor:
        """Scores at the first stage's stride."""
        *finer, last = maps
        context = [resize(grid(last), size_of(last)) for grid in self.grids]
        levels = [self.bottleneck(torch.cat([last, *context], dim=1))]
        for lateral, level in zip(reversed(self.laterals), reversed(finer), strict=True):
            levels.append(lateral(level) + resize(levels[-1], size_of(level)))
        top, *others = levels
        fused = [top, *(output(level) for output, level in zip(reversed(self.outputs), others, strict=True))]
        size = size_of(maps[0])
        return self.classifier(self.fusion(torch.cat([resize(level, size) for level in fused], dim=1)))  # type: ignore[no-any-return]


class SegformerHead(nn.Module):
    """Each stage's maps projected to one width, enlarged to the first's size and merged by a 1x1 convolution
    (SegFormer's all-MLP decoder: Xie et al., arXiv 2105.15203, equation 4).

    Args:
        channels: of the stages' maps.
        classes: of the scores.
        width: channels of every level; the paper's 256 for B0 and B1, 768 above.
        dropout: share of values dropped before the classifier.
    """

    def __init__(self, channels: Sequence[int], classes: int, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(inputs, width, 1) for inputs in channels)
        self.fusion = nn.Sequential(*conv_norm_relu(len(channels) * width, width, 1), nn.Dropout(dropout))
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, maps: StageMaps) -> Tensor:
        """Scores at the first stage's stride."""
        size = size_of(maps[0])
        levels = [resize(project(level), size) for project, level in zip(self.projections, maps, strict=True)]
        return self.classifier(self.fusion(torch.cat(levels, dim=1)))  # type: ignore[no-any-return]


HEADS: dict[str, type[nn.Module]] = {
    "fcn": FCNHead,
    "aspp": ASPPHead,
    "uper": UPerHead,
    "segformer-mlp": SegformerHead,
}
