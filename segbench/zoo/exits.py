"""Early exits attached to a body that is cut into parts: where they stand, and what a head is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.zoo.blocks import conv_norm_relu, resize, size_of
from segbench.zoo.heads import ASPPHead
from segbench.zoo.hrnet import BodyPart
from segbench.zoo.streams import Streams


@dataclass(frozen=True)
class HeadSettings:
    """What MESS searches over for every head (Kouris et al. 2022; the ranges of its search are not verified).

    Attributes:
        width: channels after the reducing 1x1 convolution.
        blocks: 3x3 convolutions between that and the classifier; block i is dilated by 2^i, so that the little a
            shallow exit has seen grows fast.
        kind: `fcn`, a 1x1 convolution, or `deeplab`, spatial pyramid pooling of `width` channels.
    """

    width: int = 64
    blocks: int = 1
    kind: Literal["fcn", "deeplab"] = "fcn"


class ExitHead(nn.Module):
    """Class scores `(N, classes, h, w)` of streams, at the size of the largest: resized to it, joined, reduced."""

    def __init__(self, widths: Sequence[int], classes: int, settings: HeadSettings) -> None:
        super().__init__()
        width = settings.width
        self.reduction = nn.Sequential(*conv_norm_relu(sum(widths), width, 1))
        blocks = (conv_norm_relu(width, width, dilation=2**number) for number in range(settings.blocks))
        self.blocks = nn.Sequential(*(layer for block in blocks for layer in block))
        deep = settings.kind == "deeplab"
        self.classifier = ASPPHead([width], classes, width=width) if deep else nn.Conv2d(width, classes, 1)

    def forward(self, streams: Streams) -> Tensor:
        """Scores of the streams a part gives."""
        together = torch.cat([resize(maps, size_of(streams[0])) for maps in streams], dim=1)
        maps = self.blocks(self.reduction(together))
        scores: Tensor = self.classifier([maps] if isinstance(self.classifier, ASPPHead) else maps)
        return scores


def attach_exits(
    parts: Sequence[BodyPart], points: Sequence[int], classes: int, settings: HeadSettings
) -> nn.ModuleList:
    """A head after each of the parts with these numbers, the first part being 1.

    Raises:
        UserError: numbers that do not rise from 1 to the last part but one.
    """
    if not _rise(points, len(parts)):
        raise UserError(
            f"points is {points}; give rising numbers of parts from 1 to {len(parts) - 1}, as -a points=[1,2]"
        )
    return nn.ModuleList(ExitHead(parts[point - 1].widths, classes, settings) for point in points)


def _rise(points: object, end: int) -> bool:
    return (
        isinstance(points, Sequence)
        and len(points) > 0
        and all(isinstance(point, int) for point in points)
        and all(one < following for one, following in pairwise((0, *points, end)))
    )
