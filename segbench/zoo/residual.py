"""The two residual blocks of He et al. (arXiv 1512.03385, figure 5), which ResNet and HRNet share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import conv_norm, conv_norm_relu


class ResidualBlock(nn.Module):
    """`relu(shortcut(x) + body(x))`; the shortcut is a strided 1x1 convolution where the shape changes."""

    def __init__(self, body: nn.Sequential, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = body
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_norm(inputs, outputs, 1, stride))

    def forward(self, maps: Tensor) -> Tensor:
        """`(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`."""
        return functional.relu(self.shortcut(maps) + self.body(maps), inplace=True)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions; `width` channels out."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        body = nn.Sequential(
            *conv_norm_relu(inputs, width, 3, stride, dilation), *conv_norm(width, width, 3, dilation=dilation)
        )
        super().__init__(body, inputs, width, stride)


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions; `4 * width` channels out; the stride is the 3x3 convolution's."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        outputs = self.expansion * width
        body = nn.Sequential(
            *conv_norm_relu(inputs, width, 1),
            *conv_norm_relu(width, width, 3, stride, dilation),
            *conv_norm(width, outputs, 1),
        )
        super().__init__(body, inputs, outputs, stride)
