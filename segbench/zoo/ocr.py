"""Object-contextual representations: pixels look at soft object regions (Yuan et al., arXiv 1909.11065, figure 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.layers.norms import make_norm
from segbench.zoo.blocks import Answer, Size, resize, size_of
from segbench.zoo.streams import Streams


class OCRHead(nn.Module):
    """Streams to class scores, by way of coarse class scores whose regions describe each class in this image.

    The streams are resized to the largest and concatenated, as in HRNetV2's own head. An auxiliary head scores them
    coarsely; each class's scores, softmax over all pixels, average the pixels' features to one vector an object. Every
    pixel attends to these vectors, and what it reads is concatenated with its own features and classified.

    Layers and defaults are those of HRNet's authors (branch HRNet-OCR, `seg_hrnet_ocr.py`): 512 channels, 256 in the
    attention, no bias before a norm in it, dropout 0.05. At HRNetV2-W48's 720 channels and 19 classes it counts
    4,513,299 parameters and its auxiliary head 534,259.

    In training it gives both scores, `out` and `aux`, in evaluation `out` alone. The authors' loss is 1.0 and 0.4 of
    their cross-entropies.

    Args:
        widths: channels of the streams.
        classes: of the logits.
        width: channels of pixels and objects; the attention has half of them.
        norm: `batch` as the authors, or `group`; `batch-per-stage` means `batch`, outside of the solver.
        align_corners: how maps are resized.
    """

    def __init__(
        self,
        widths: Sequence[int],
        classes: int,
        width: int = 512,
        norm: str = "batch",
        align_corners: bool = False,
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        norm = "batch" if norm == "batch-per-stage" else norm
        total = sum(widths)
        self.auxiliary = nn.Sequential(*_conv(total, total, norm, bias=True), nn.Conv2d(total, classes, 1))
        self.pixels = nn.Sequential(*_conv(total, width, norm, kernel=3, bias=True))
        self.attention = ObjectAttention(width, width // 2, norm)
        self.merge = nn.Sequential(*_conv(2 * width, width, norm), nn.Dropout2d(dropout))
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, streams: Streams, size: Size) -> Answer:
        """Logits `(N, classes, *size)`; in training `{"out": ..., "aux": ...}`, both of that shape."""
        largest = size_of(streams[0])
        together = torch.cat([resize(maps, largest, self.align_corners) for maps in streams], dim=1)
        coarse, pixels = self.auxiliary(together), self.pixels(together)
        context = self.attention(pixels, gathered(soft_regions(coarse), pixels))
        fine = self.classifier(self.merge(torch.cat([context, pixels], dim=1)))
        logits = resize(fine, size, self.align_corners)
        return {"out": logits, "aux": resize(coarse, size, self.align_corners)} if self.training else logits


class ObjectAttention(nn.Module):
    """What each pixel reads from the objects: attention with the pixels as queries and the objects as keys and values.

    Args:
        width: channels of pixels, objects and answer.
        inner: channels of queries, keys and values.
        norm: a kind of `make_norm`.
    """

    def __init__(self, width: int, inner: int, norm: str) -> None:
        super().__init__()
        self.query = nn.Sequential(*_conv(width, inner, norm), *_conv(inner, inner, norm))
        self.key = nn.Sequential(*_conv(width, inner, norm), *_conv(inner, inner, norm))
        self.value = nn.Sequential(*_conv(width, inner, norm))
        self.output = nn.Sequential(*_conv(inner, width, norm))

    def forward(self, pixels: Tensor, objects: Tensor) -> Tensor:
        """`(N, width, H, W)` and `(N, width, K, 1)` -> `(N, width, H, W)`."""
        query, key = self.query(pixels).flatten(2), self.key(objects).flatten(2)
        weights = torch.softmax(query.transpose(1, 2) @ key * key.shape[1] ** -0.5, dim=-1)
        read = self.value(objects).flatten(2) @ weights.transpose(1, 2)
        return self.output(read.unflatten(2, size_of(pixels)))  # type: ignore[no-any-return]


def soft_regions(scores: Tensor) -> Tensor:
    """Coarse scores `(N, K, H, W)` -> the part of each pixel in each object, `(N, K, H * W)`, sum 1 over pixels."""
    return torch.softmax(scores.flatten(2), dim=-1)


def gathered(regions: Tensor, pixels: Tensor) -> Tensor:
    """The mean of `pixels` `(N, C, H, W)` over each of the `regions` `(N, K, H * W)`: objects `(N, C, K, 1)`."""
    return (pixels.flatten(2) @ regions.transpose(1, 2)).unsqueeze(-1)


def _conv(inputs: int, outputs: int, norm: str, kernel: int = 1, bias: bool = False) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return [conv, make_norm(norm, outputs), nn.ReLU(inplace=True)]
