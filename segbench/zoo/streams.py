"""The two ends that SegNode and its residual baseline share: image to four streams, four streams to class scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from segbench.layers.norms import make_norm
from segbench.zoo.blocks import Size, add_resized, resize, size_of

Streams = tuple[Tensor, ...]
"""The same image at 1/4, 1/8, 1/16 and 1/32 of its size, `(N, widths[i], H_i, W_i)`; early in HRNet fewer."""

W48 = (48, 96, 192, 384)
"""The widths of HRNetV2-W48, which SegNode keeps (paper, section 4.1)."""


class StreamEntry(nn.Module):
    """A stem of two strided 3x3 convolutions, then a chain of one 3x3 convolution a stream (SegNode paper, figure 1).

    The first of the chain keeps the size, the others halve it, each reading the one before; that they form a chain
    and have no norm is our inference (the exchange modules start with a norm). At the paper's widths 937,408
    parameters.

    Args:
        widths: channels of the streams.
        stem: channels of the two stem convolutions.
        norm: of the stem, a kind of `make_norm`; `batch-per-stage` means `batch` here, outside of the solver.
        inputs: channels of the images, or of the maps in their place.
    """

    def __init__(self, widths: Sequence[int] = W48, stem: int = 64, norm: str = "batch", inputs: int = 3) -> None:
        super().__init__()
        kind = "batch" if norm == "batch-per-stage" else norm
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, stem, stem)):
            conv = nn.Conv2d(before, after, 3, 2, 1, bias=False)
            layers += [conv, make_norm(kind, after), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)
        strides = (1, *[2] * (len(widths) - 1))
        self.inlets = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            for (inputs, outputs), stride in zip(pairwise((stem, *widths)), strides, strict=True)
        )

    def forward(self, images: Tensor) -> Streams:
        """`(N, 3, H, W)` -> streams, the largest (1/4) first."""
        maps: Tensor = self.stem(images)
        streams: list[Tensor] = []
        for inlet in self.inlets:
            maps = inlet(maps)
            streams.append(maps)
        return tuple(streams)


class StreamExit(nn.Module):
    """A 1x1 convolution with bias to class scores on every stream; the scores are summed at 1/4 and enlarged.

    Bilinear, so that no checkerboard appears (SegNode paper, section 3.2).
    """

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.outlets = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths)

    def forward(self, streams: Streams, size: Size) -> Tensor:
        """Logits `(N, classes, *size)`."""
        scores = (outlet(maps) for outlet, maps in zip(self.outlets, streams, strict=True))
        return resize(add_resized(scores, size_of(streams[0])), size)


def add_streams(first: Streams, second: Streams) -> Streams:
    """The sum, stream by stream."""
    return tuple(a + b for a, b in zip(first, second, strict=True))
