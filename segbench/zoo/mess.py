"""MESS: a network with an exit for easy images (Kouris, Venieris, Laskaridis and Lane, arXiv 2106.03527)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import Run
from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment
from segbench.zoo.blocks import Answer, main_logits, resize, size_of
from segbench.zoo.exits import HeadSettings, attach_exits
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.streams import Streams

BACKBONE_SHARE = 0.8
"""Of the budget, after which the body rests and the heads are trained alone (our choice)."""


class MESS(nn.Module):
    """HRNetV2 with exits along its depth: an image that a shallow exit is sure of goes no deeper.

    The paper attaches its exits to ResNets and MobileNets; that we take HRNetV2 is our choice, and so is that places
    and heads are arguments, where it searches for them after the training. Its two trainings share one budget here:

    1. Exit-aware body: each step trains one early exit, drawn at random, together with the last one.
    2. Heads alone, the body at rest: cross-entropy, and the divergence from the last exit's answer on those pixels that
       the last exit gets right (positive filtering distillation); weighted equally, temperature 1 (our choice).

    The default policy is the paper's: an image leaves when enough of its pixels are confident. Its softening of
    confidence along the edges between classes is left out.

    Args:
        classes: of the scores.
        points: parts of the body after which an exit stands: 1 is stem and stage one, every exchange module is one
            more; the last part has the network's own head.
        head_width, head_blocks, head: of the early exits' heads; see `HeadSettings`.
        backbone: arguments of `HRNetV2`.

    Raises:
        UserError: points where no exit can stand.
    """

    default_policy = "share>0.95"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        points: Sequence[int] = (2, 4, 6),
        head_width: int = 64,
        head_blocks: int = 1,
        head: Literal["fcn", "deeplab"] = "fcn",
        **backbone: Any,
    ) -> None:
        super().__init__()
        self.backbone = HRNetV2(classes, **backbone)
        parts = self.backbone.parts()
        self.exits = attach_exits(parts, points, classes, HeadSettings(head_width, head_blocks, head))
        self.bounds = (0, *points, len(parts))

    def forward(self, images: Tensor) -> Answer:
        """Logits `(N, classes, H, W)` under the default policy; in training those of all exits."""
        size = size_of(images)
        if not self.training:
            return resize(answer_by_default(self, images), size)
        *early, last = (resize(self.scores(stage, streams), size) for stage, streams in self._stages(images))
        return {"out": last} | {f"aux{number}": scores for number, scores in enumerate(early, 1)}

    def begin(self, images: Tensor) -> Run:
        """An inference with a stage an exit."""
        return _ExitRun(self, images)

    def advanced(self, stage: int, streams: Streams) -> Streams:
        """From one exit's streams to the next one's; stage 1 takes `(images,)`."""
        for part in self.backbone.parts()[self.bounds[stage - 1] : self.bounds[stage]]:
            streams = part.run(streams)
        return streams

    def scores(self, stage: int, streams: Streams) -> Tensor:
        """Class scores `(N, classes, h, w)` of the exit after a stage, at a quarter of the images' size."""
        if stage <= len(self.exits):
            scores: Tensor = self.exits[stage - 1](streams)
            return scores
        return main_logits(self.backbone.decode(streams, size_of(streams[0])))

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:
        """The loss of the training that is on: of a drawn exit and the last one, or of all heads by distillation."""
        if moment.progress >= BACKBONE_SHARE:
            return self._distilled(images, targets, loss)
        last = len(self.bounds) - 1
        trained = (1 + int(moment.draw * len(self.exits)), last)
        maps = [self.scores(stage, streams) for stage, streams in self._stages(images) if stage in trained]
        return torch.stack([loss.total(resize(scores, size_of(targets)), targets) for scores in maps]).sum()

    def _stages(self, images: Tensor) -> Iterator[tuple[int, Streams]]:
        streams: Streams = (images,)
        for stage, _ in enumerate(pairwise(self.bounds), 1):
            streams = self.advanced(stage, streams)
            yield stage, streams

    def _distilled(self, images: Tensor, targets: Tensor, loss: PixelLoss) -> Tensor:
        self.backbone.eval()  # so that its norms rest too
        size, weight = size_of(targets), loss.weight(targets)
        with torch.no_grad():
            *early, (last, streams) = self._stages(images)
            teacher = resize(self.scores(last, streams), size)
        maps = [resize(self.scores(stage, streams), size) for stage, streams in early]
        losses = [
            loss.total(scores, targets) + weight * filtered_divergence(scores, teacher, targets) for scores in maps
        ]
        return torch.stack(losses).sum()


class _ExitRun(Run):
    unit = "image"

    def __init__(self, network: MESS, images: Tensor) -> None:
        super().__init__(len(images), len(network.bounds) - 1, images.device)
        self._network = network
        self._streams: Streams = (images,)

    def _advance(self) -> None:
        self._streams = self._network.advanced(self.stage + 1, self._streams)

    def _read(self) -> Tensor:
        return self._network.scores(self.stage, self._streams)

    def _keep(self, which: Tensor, rows: Tensor) -> None:  # noqa: ARG002
        if len(rows) < len(self._streams[0]):
            self._streams = tuple(maps[rows] for maps in self._streams)


def filtered_divergence(scores: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
    """Positive filtering distillation: the divergence from a teacher where it is right, as a mean over labelled pixels.

    Args:
        scores, teacher: `(N, C, h, w)`.
        targets: `(N, h, w)`; what is no class (255) is never right.
    """
    taught, given = scores.float().log_softmax(1), teacher.float().log_softmax(1)
    divergence = functional.kl_div(taught, given, reduction="none", log_target=True).sum(1)
    right, labelled = teacher.argmax(1) == targets, targets < scores.shape[1]
    return (divergence * right).sum() / labelled.sum().clamp_min(1)
