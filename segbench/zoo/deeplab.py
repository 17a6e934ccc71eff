"""DeepLab v3: atrous spatial pyramid pooling (Chen et al., arXiv 1706.05587, figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segbench.zoo.blocks import resize, size_of
from segbench.zoo.heads import ASPPHead
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
        self.head = ASPPHead([self.body.channels], classes, rates, width, dropout)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        return resize(self.head([self.body(images)]), size_of(images))
