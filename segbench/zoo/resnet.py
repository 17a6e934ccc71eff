"""ResNet bodies whose last stages may be dilated instead of strided, as PSPNet and DeepLab use them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segbench.errors import UserError
from segbench.zoo.blocks import conv_norm_relu
from segbench.zoo.residual import BasicBlock, Bottleneck

_DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}
"""Block and blocks a stage (He et al., arXiv 1512.03385, table 1)."""

STAGE_WIDTHS = (64, 128, 256, 512)
"""Inner channels of the stages (the same table)."""
_STEM_STRIDE = 4


class ResNetBody(nn.Module):
    """A ResNet without its classifier: `(N, 3, H, W)` -> `(N, channels, H / output_stride, W / output_stride)`.

    A stage that would pass `output_stride` keeps its size and doubles its dilation (DRN; DeepLab, arXiv 1706.05587,
    section 3.1). Its first block still has the dilation of the stage before, as in torchvision, so that ImageNet
    weights see what they were trained on.

    Args:
        depth: 18, 34 (basic blocks), 50 or 101 (bottlenecks).
        output_stride: 4, 8, 16 or 32.
        widths: inner channels of the stages; bottlenecks put out four times as many.
        stem: channels of the first convolution.

    Attributes:
        channels: of the output; 512 or 2048 at the usual widths.
        stage_channels: of every stage's output.

    Raises:
        UserError: another depth or stride.
    """

    def __init__(
        self, depth: int = 50, output_stride: int = 32, widths: Sequence[int] = STAGE_WIDTHS, stem: int = 64
    ) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise UserError(f"no ResNet of depth {depth}; choose {', '.join(map(str, _DEPTHS))}")
        if output_stride not in (4, 8, 16, 32):
            raise UserError(f"no ResNet of output stride {output_stride}; choose 4, 8, 16 or 32")
        self.stem = nn.Sequential(*conv_norm_relu(3, stem, 7, 2), nn.MaxPool2d(3, 2, 1))
        block, counts = _DEPTHS[depth]
        self.channels = stem
        self.stage_channels: list[int] = []
        self.stages = nn.Sequential()
        reached, dilation = _STEM_STRIDE, 1
        for index, (width, count) in enumerate(zip(widths, counts, strict=True)):
            stride, before = (1, dilation) if index == 0 else (2, dilation)
            if reached * stride > output_stride:
                stride, dilation = 1, dilation * 2
            reached *= stride
            blocks = [block(self.channels, width, stride, before)]
            self.channels = width * block.expansion
            blocks += [block(self.channels, width, 1, dilation) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
            self.stage_channels.append(self.channels)

    def forward(self, images: Tensor) -> Tensor:
        """The last stage's maps."""
        maps: Tensor = self.stages(self.stem(images))
        return maps
