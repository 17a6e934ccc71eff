"""Layer Cascade: easy pixels leave early, and later layers see the hard ones only (Li et al., arXiv 1704.01344)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import Run
from segbench.cards.datasets import IGNORE
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region
from segbench.zoo import Moment
from segbench.zoo.blocks import Answer, conv_norm_relu, resize, size_of
from segbench.zoo.pixel_exits import PixelRun
from segbench.zoo.region_blocks import blocks_at, head_at
from segbench.zoo.resnet import STAGE_WIDTHS, ResNetBody

_MASKS_FROM = 0.5
"""Share of the budget after which pixels leave in training too (our choice)."""

_LEAVES_ABOVE = 0.95
"""The probability at which they do; the published operating points are said to be 0.95 to 0.985 (not verified)."""

_STAGES = 3


class LayerCascade(nn.Module):
    """A ResNet in three stages at one output stride, each with its classifier.

    Stage one is the body up to its second group of blocks, stages two and three are the third group and the fourth.
    The authors cut an Inception-ResNet-v2; that we cut a ResNet is our choice. A pixel whose largest probability is
    high enough keeps its class. The rest is computed by region convolution: see `segbench.zoo.region_blocks`.

    Training: all pixels in all stages first, then pixels leave as in inference, and the loss of a stage is over those
    that reach it.

    Args:
        classes: of the scores.
        depth: of the ResNet.
        output_stride: of all stages; 4 or 8.
        widths: of the ResNet's groups.
        stem: channels of its stem.
        head_width: channels of the 3x3 convolution before each classifier.

    Raises:
        UserError: an output stride at which the stages differ in size.
    """

    default_policy = f"confidence>{_LEAVES_ABOVE}"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        depth: int = 101,
        output_stride: int = 8,
        widths: Sequence[int] = STAGE_WIDTHS,
        stem: int = 64,
        head_width: int = 256,
    ) -> None:
        super().__init__()
        if output_stride not in (4, 8):
            raise UserError(f"a cascade's stages have one size, not at output stride {output_stride}; choose 4 or 8")
        self.body = ResNetBody(depth, output_stride, widths, stem)
        self.heads = nn.ModuleList(
            nn.Sequential(*conv_norm_relu(channels, head_width), nn.Conv2d(head_width, classes, 1))
            for channels in self.body.stage_channels[1:]
        )

    def forward(self, images: Tensor) -> Answer:
        """Logits `(N, classes, H, W)` under the default policy; in training those of all exits, of all pixels."""
        size = size_of(images)
        if not self.training:
            return resize(answer_by_default(self, images), size)
        maps, answers = images, []
        for stage in range(1, _STAGES + 1):
            maps = self.advanced(stage, maps, None)
            answers.append(resize(self.scores(stage, maps, None, None), size))
        *early, last = answers
        return {"out": last} | {f"aux{number}": scores for number, scores in enumerate(early, 1)}

    def begin(self, images: Tensor) -> Run:
        """An inference with a stage an exit."""
        return _CascadeRun(self, images)

    def advanced(self, stage: int, maps: Tensor, region: Region | None) -> Tensor:
        """From one exit's maps to the next one's, at a region or everywhere; stage 1 takes images."""
        if stage == 1:
            return self.body.stages[1](self.body.stages[0](self.body.stem(maps)))  # type: ignore[no-any-return]
        blocks = self.body.stages[stage]
        assert isinstance(blocks, nn.Sequential)
        return blocks_at(blocks, maps, region) if region else blocks(maps)

    def scores(self, stage: int, maps: Tensor, region: Region | None, carried: Tensor | None) -> Tensor:
        """Class scores `(N, classes, h, w)` of a stage's exit at a region, and what was carried over elsewhere."""
        head = self.heads[stage - 1]
        assert isinstance(head, nn.Sequential)
        if carried is None or region is None or region.is_whole:
            whole: Tensor = head(maps)
            return whole
        return head_at(head, maps, region, carried)

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:
        """The exits' losses, equally weighted, each over the pixels that reach it."""
        maps, region, carried = images, None, None
        losses: list[Tensor] = []
        for stage in range(1, _STAGES + 1):
            maps = self.advanced(stage, maps, region)
            scores = self.scores(stage, maps, region, carried)
            reached = targets if region is None else targets.where(_resized(region.mask, size_of(targets)), IGNORE)
            losses.append(loss.total(resize(scores, size_of(targets)), reached))
            if moment.progress >= _MASKS_FROM:
                region, carried = _remaining(scores, region), scores.detach()
                if len(region.active) < 2:  # of which a norm has no statistics
                    break
        return torch.stack(losses).sum()


def _remaining(scores: Tensor, region: Region | None) -> Region:
    unsure = scores.detach().float().softmax(1).amax(1) <= _LEAVES_ABOVE
    return Region(unsure if region is None else unsure & region.mask)


def _resized(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest, as labels are resized."""
    return functional.interpolate(mask[:, None].float(), size=size, mode="nearest-exact")[:, 0] > 0


class _CascadeRun(PixelRun):
    def __init__(self, network: LayerCascade, images: Tensor) -> None:
        super().__init__(len(images), _STAGES, images.device)
        self._network, self._maps = network, images

    def _computed(self, region: Region | None) -> tuple[int, int]:
        self._maps = self._network.advanced(self.stage + 1, self._maps, region)
        return size_of(self._maps)

    def _scored(self, region: Region, carried: Tensor | None) -> Tensor:
        return self._network.scores(self.stage, self._maps, region, carried)

    def _select(self, rows: Tensor) -> None:
        self._maps = self._maps[rows]
