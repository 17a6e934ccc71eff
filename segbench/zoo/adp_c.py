"""ADP-C: exits along HRNetV2, and later layers on the pixels that are not sure yet (Liu, Xu, Wang, Darrell and
Shelhamer, "Anytime dense prediction with confidence adaptivity", ICLR 2022, arXiv 2104.00749)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import Run
from segbench.layers.interpolated_conv import InterpolatedConv2d, Masks
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region
from segbench.zoo import Moment
from segbench.zoo.blocks import Answer, conv_norm_relu, main_logits, resize, size_of
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.pixel_exits import PixelRun
from segbench.zoo.streams import Streams

_STAGES = 4

_LEAVES_ABOVE = 0.998
"""The probability at which a pixel leaves (the authors' settings for Cityscapes)."""

_MASKS_FROM = 0.5
"""Share of the budget after which pixels leave in training too (our choice)."""


class ADPC(nn.Module):
    """HRNetV2 with an exit after each of its four stages; a pixel that is confident keeps its scores.

    After the first exit every convolution, of the exits too, computes only where a pixel goes on, and interpolates
    elsewhere (`segbench.layers.interpolated_conv`); at other sizes a position is as its nearest pixel of the scores.
    Streams themselves are never frozen. The authors' code computes everything and masks it; here a convolution of
    which up to half is wanted gathers its positions.

    Training: the sum of the four exits' losses, weights 1. Pixels leave as in inference in the second half of the
    budget; the authors' do from the start, but a step with interpolation takes twice as long on a CPU.

    Args:
        classes: of the scores.
        head_width: channels within the early exits' heads; the authors' 128 for W48, 64 for W18.
        backbone: arguments of `HRNetV2`.
    """

    default_policy = f"confidence>{_LEAVES_ABOVE}"
    simulated: str | None = None
    multiple_of = 1

    def __init__(self, classes: int = 11, head_width: int = 128, **backbone: Any) -> None:
        super().__init__()
        self.backbone = HRNetV2(classes, **backbone)
        parts = self.backbone.parts()
        begins = (end for end, (part, after) in enumerate(pairwise(parts), 1) if part.widths != after.widths)
        self.bounds = (0, *begins, len(parts))
        self.exits = nn.ModuleList(
            PooledHead(sum(parts[end - 1].widths), head_width, classes, halvings)
            for end, halvings in zip(self.bounds[1:4], (3, 2, 1), strict=True)
        )
        self.masks = Masks()
        front = self.backbone.front
        untouched = {*front.stem.modules(), *front.stage1.modules(), *self.exits[0].modules()}
        _interpolate(self, self.masks, untouched)

    def forward(self, images: Tensor) -> Answer:
        """Logits `(N, classes, H, W)` under the default policy; in training those of all exits.

        In training no pixel leaves here: `supervise`, which `segbench train` learns by, is what masks.
        """
        size = size_of(images)
        if not self.training:
            return resize(answer_by_default(self, images), size)
        *early, last = (resize(scores, size) for scores in self._trained(images))
        return {"out": last} | {f"aux{number}": scores for number, scores in enumerate(early, 1)}

    def begin(self, images: Tensor) -> Run:
        """An inference with a stage an exit."""
        return _AdaptiveRun(self, images)

    def advanced(self, stage: int, streams: Streams, region: Region | None) -> Streams:
        """From one exit's streams to the next one's, computed at a region; stage 1 takes `(images,)`."""
        self.masks.set(region)
        for part in self.backbone.parts()[self.bounds[stage - 1] : self.bounds[stage]]:
            streams = part.run(streams)
        return streams

    def scores(self, stage: int, streams: Streams, region: Region | None, carried: Tensor | None) -> Tensor:
        """Class scores `(N, classes, h, w)` of a stage's exit at a region, and what was carried over elsewhere."""
        self.masks.set(region)
        scores: Tensor = self.exits[stage - 1](streams) if stage < _STAGES else self._end(streams)
        return scores if carried is None or region is None else torch.where(region.mask[:, None], scores, carried)

    def _end(self, streams: Streams) -> Tensor:
        return main_logits(self.backbone.decode(streams, size_of(streams[0])))

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:
        """The sum of the exits' losses."""
        answers = self._trained(images, leaving=moment.progress >= _MASKS_FROM)
        size = size_of(targets)
        return torch.stack([loss.total(resize(scores, size), targets) for scores in answers]).sum()

    def _trained(self, images: Tensor, leaving: bool = False) -> Iterator[Tensor]:
        """Scores of all exits."""
        streams: Streams = (images,)
        region, carried = None, None
        for stage in range(1, _STAGES + 1):
            streams = self.advanced(stage, streams, region)
            carried = self.scores(stage, streams, region, carried)
            yield carried
            if leaving:
                region = Region(carried.detach().float().softmax(1).amax(1) <= _LEAVES_ABOVE)


class PooledHead(nn.Module):
    """The authors' redesigned head: averages over 2x2 pixels and 1x1 convolutions, down and up again.

    Args:
        inputs: channels of all streams together.
        width: channels within.
        classes: of the scores.
        halvings: times it pools: 3, 2 and 1 after stages one, two and three.
    """

    def __init__(self, inputs: int, width: int, classes: int, halvings: int) -> None:
        super().__init__()
        widths = (inputs, *[width] * halvings)
        self.down = nn.ModuleList(nn.Sequential(*conv_norm_relu(a, b, 1)) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.Sequential(*conv_norm_relu(width, width, 1)) for _ in range(halvings - 1))
        self.classifier = nn.Conv2d(width, classes, 1)
        self.pool = nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, streams: Streams) -> Tensor:
        """Scores `(N, classes, h, w)` at the largest stream's size."""
        sizes = [size_of(streams[0])]
        maps = torch.cat([resize(own, sizes[0]) for own in streams], dim=1)
        for layers in self.down:
            maps = layers(self.pool(maps))
            sizes.append(size_of(maps))
        for layers, size in zip([*self.up, self.classifier], sizes[-2::-1], strict=True):
            maps = layers(resize(maps, size))
        return maps


def _interpolate(module: nn.Module, masks: Masks, untouched: set[nn.Module]) -> None:
    """Has all convolutions below a module interpolate, but those left untouched."""
    for name, child in module.named_children():
        if child in untouched:
            continue
        if isinstance(child, nn.Conv2d):
            setattr(module, name, InterpolatedConv2d(child, masks))
        _interpolate(child, masks, untouched)


class _AdaptiveRun(PixelRun):
    def __init__(self, network: ADPC, images: Tensor) -> None:
        super().__init__(len(images), _STAGES, images.device)
        self._network = network
        self._streams: Streams = (images,)

    def _computed(self, region: Region | None) -> tuple[int, int]:
        self._streams = self._network.advanced(self.stage + 1, self._streams, region)
        return size_of(self._streams[0])

    def _scored(self, region: Region, carried: Tensor | None) -> Tensor:
        return self._network.scores(self.stage, self._streams, region, carried)

    def _select(self, rows: Tensor) -> None:
        self._streams = tuple(maps[rows] for maps in self._streams)
