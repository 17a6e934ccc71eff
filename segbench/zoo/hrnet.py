"""HRNetV2: high-resolution representations (Wang et al., arXiv 1908.07919, figures 2 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import Answer, Size, add_resized, conv_norm, conv_norm_relu, resize, size_of
from segbench.zoo.ocr import OCRHead
from segbench.zoo.residual import BasicBlock, Bottleneck
from segbench.zoo.streams import W48, Streams


@dataclass(frozen=True)
class BodyPart:
    """A piece of a body, after which the network may be left.

    Attributes:
        widths: channels of the streams it gives.
        run: streams of the part before -> its own; of the first, images as a single stream.
    """

    widths: tuple[int, ...]
    run: Callable[[Streams], Streams]


class HRNetV2(nn.Module):
    """Streams of four sizes run side by side to the end and exchange what they know after every few blocks.

    Figure 2: a stem to 1/4, four bottlenecks, then stages of two, three and four streams; stage i repeats a module
    (four basic blocks a stream, then a full exchange). Figure 4(b): the streams are resized to 1/4 and concatenated,
    and a 1x1 convolution mixes them before the classifier.

    65,853,611 parameters at 11 classes, 65,859,379 at Cityscapes' 19, which is the official network's count;
    `segbench.zoo.hrnet_weights` loads its weight files. With their OCR head (`ocr_width=512`) 70,372,678 at 19.

    Args:
        classes: of the logits.
        widths: channels of the four streams; official ones are multiples of 18, 32, 40, 44, 48.
        modules: of stages two, three and four.
        blocks: basic blocks a stream in a module.
        stem: channels of the two stem convolutions.
        stage1_width: inner channels of stage one's bottlenecks; they put out four times as many.
        stage1_blocks: how many there are.
        align_corners: how the streams are resized. Authors' files that were trained with their OCR branch want True.
        ocr_width: channels of an OCR head in the place of the usual one (`segbench.zoo.ocr`); None: no OCR.
        inputs: channels of the images, or of the maps that another network gives in their place.
    """

    def __init__(
        self,
        classes: int = 11,
        widths: Sequence[int] = W48,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        stage1_width: int = 64,
        stage1_blocks: int = 4,
        align_corners: bool = False,
        ocr_width: int | None = None,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        self._widths = tuple(widths)
        self.front = HRNetFront(widths, modules[:2], blocks, stem, stage1_width, stage1_blocks, align_corners, inputs)
        self.stage4 = stage(widths, modules[2], blocks, align_corners)
        self.head = (
            ConcatHead(widths, classes, align_corners)
            if ocr_width is None
            else OCRHead(widths, classes, ocr_width, align_corners=align_corners)
        )

    def forward(self, images: Tensor) -> Answer:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        return self.decode(self.encode(images), size_of(images))

    def encode(self, images: Tensor) -> Streams:
        """`images` `(N, 3, H, W)` -> the four streams at the end of the body."""
        streams: Streams = self.stage4(self.front(images))
        return streams

    def decode(self, streams: Streams, size: Size) -> Answer:
        """Streams -> logits `(N, classes, *size)`."""
        answer: Answer = self.head(streams, size)
        return answer

    def parts(self) -> list[BodyPart]:
        """The body in pieces, one after the other as `encode`: stem with stage one, then every exchange module."""
        front = self.front
        parts = [BodyPart((front.stage1_channels,), lambda streams: (front.stage1(front.stem(streams[0])),))]
        for stage in (front.stage2, front.stage3, self.stage4):
            first, *others = stage.children()
            widths = tuple(self._widths[: len(parts[-1].widths) + 1])
            parts.append(BodyPart(widths, lambda streams, first=first: first(front.widened(streams))))  # type: ignore[misc]
            parts += [BodyPart(widths, module) for module in others]
        return parts


class HRNetFront(nn.Module):
    """HRNetV2 up to the entry of stage four: `(N, 3, H, W)` -> four streams. Arguments as `HRNetV2`'s."""

    def __init__(
        self,
        widths: Sequence[int] = W48,
        modules: Sequence[int] = (1, 4),
        blocks: int = 4,
        stem: int = 64,
        stage1_width: int = 64,
        stage1_blocks: int = 4,
        align_corners: bool = False,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        wide = self.stage1_channels = Bottleneck.expansion * stage1_width
        self.stem = nn.Sequential(*conv_norm_relu(inputs, stem, stride=2), *conv_norm_relu(stem, stem, stride=2))
        self.stage1 = nn.Sequential(
            Bottleneck(stem, stage1_width), *(Bottleneck(wide, stage1_width) for _ in range(stage1_blocks - 1))
        )
        self.transition1 = nn.ModuleList(
            [
                nn.Sequential(*conv_norm_relu(wide, widths[0])),
                nn.Sequential(*conv_norm_relu(wide, widths[1], stride=2)),
            ]
        )
        self.stage2 = stage(widths[:2], modules[0], blocks, align_corners)
        self.transition2 = nn.Sequential(*conv_norm_relu(widths[1], widths[2], stride=2))
        self.stage3 = stage(widths[:3], modules[1], blocks, align_corners)
        self.transition3 = nn.Sequential(*conv_norm_relu(widths[2], widths[3], stride=2))

    def forward(self, images: Tensor) -> Streams:
        """The streams, the high-resolution one first."""
        streams = self.stage2(self.widened((self.stage1(self.stem(images)),)))
        return self.widened(self.stage3(self.widened(streams)))

    def widened(self, streams: Streams) -> Streams:
        """The streams that a stage gives, as the next one takes them: one more, at half the size."""
        if len(streams) == 1:
            return tuple(enter(streams[0]) for enter in self.transition1)
        transition = self.transition2 if len(streams) == 2 else self.transition3
        return (*streams, transition(streams[-1]))


class HRNetModule(nn.Module):
    """Basic blocks on every stream, then a full exchange (figure 3): stream i becomes the ReLU of a sum over all j.

    From a smaller stream: 1x1 convolution and norm, resized up. From a larger: a chain of strided 3x3 convolutions
    that keeps the width until its last. From itself: as it is.
    """

    def __init__(self, widths: Sequence[int], blocks: int = 4, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(blocks))) for width in widths
        )
        streams = range(len(widths))
        self.fuse = nn.ModuleList(nn.ModuleList(_path(widths, j, i) for j in streams) for i in streams)

    def forward(self, streams: Streams) -> Streams:
        """The streams again, same shapes."""
        streams = tuple(branch(maps) for branch, maps in zip(self.branches, streams, strict=True))
        return tuple(self._exchanged(streams))

    def _exchanged(self, streams: Streams) -> Iterator[Tensor]:
        for paths, own in zip(self.fuse, streams, strict=True):
            arriving = (path(maps) for path, maps in zip(paths.children(), streams, strict=True))
            yield functional.relu(add_resized(arriving, size_of(own), self.align_corners), inplace=True)


class ConcatHead(nn.Module):
    """The streams resized to the largest and concatenated, mixed by a 1x1 convolution with bias, and classified."""

    def __init__(self, widths: Sequence[int], classes: int, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners
        total = sum(widths)
        mix = [nn.Conv2d(total, total, 1), nn.BatchNorm2d(total), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*mix, nn.Conv2d(total, classes, 1))

    def forward(self, streams: Streams, size: Size) -> Tensor:
        """Logits `(N, classes, *size)`."""
        largest = size_of(streams[0])
        together = torch.cat([resize(maps, largest, self.align_corners) for maps in streams], dim=1)
        return resize(self.layers(together), size, self.align_corners)


def stage(widths: Sequence[int], modules: int, blocks: int, align_corners: bool) -> nn.Sequential:
    """`modules` exchange modules over streams of the given widths."""
    return nn.Sequential(*(HRNetModule(widths, blocks, align_corners) for _ in range(modules)))


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(*conv_norm(widths[source], widths[target], 1))
    keeping = [conv_norm_relu(widths[source], widths[source], stride=2) for _ in range(target - source - 1)]
    last = conv_norm(widths[source], widths[target], stride=2)
    return nn.Sequential(*(layer for step in keeping for layer in step), *last)
