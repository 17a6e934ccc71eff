"""U-ResNet: the control of U-Node's authors, residual blocks in the place of its ODEs (arXiv 1910.10470)."""

from __future__ import annotations

from torch import Tensor, nn

from segbench.zoo.level_u import LevelU
from segbench.zoo.unode import UNodeField


class ResidualField(nn.Module):
    """`h + f(h)`, U-Node's f without time: one Euler step of length one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = UNodeField(channels, time=False)

    def forward(self, maps: Tensor) -> Tensor:
        """`(N, channels, H, W)` -> the same shape."""
        return maps + self.f(0.0, maps)  # type: ignore[no-any-return]


class UResNet(LevelU):
    """U-Node's graph with nine residual blocks; as in the released code the way down takes a block's input.

    2,074 thousand parameters at width 16 and 2 classes; the authors report 2 million.

    Args:
        classes: of the logits.
        width: of the first level, doubled at each of the others.
        levels: with the bottom one.
    """

    def __init__(self, classes: int = 11, width: int = 16, levels: int = 5) -> None:
        super().__init__(classes, width, levels, ResidualField, down_from_input=True)
