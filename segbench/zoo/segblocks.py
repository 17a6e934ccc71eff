"""SegBlocks: blocks of an image are computed at high or at low resolution, as a small policy network chooses (Verelst
and Tuytelaars, ECCV 2020 Workshops, arXiv 2011.12025).

Where the paper leaves a thing open, the authors' code decides
(github.com/thomasverelst/segblocks-segmentation-pytorch).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import NotOffered, Run
from segbench.cards.datasets import IGNORE
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment
from segbench.zoo.blocks import Size, resize, size_of
from segbench.zoo.dual_resolution import AnyMaps, BlockLayout, doubled, over, over_whole
from segbench.zoo.resnet import ResNetBody, doubling

STRIDE = 4
"""Of the scores."""

POLICY_STRIDE = 32
"""Of the policy network: it sees each block as so many pixels."""


class SegBlocks(nn.Module):
    """A SwiftNet (Orsic et al., CVPR 2019): ResNet-18, pyramid pooling, and a light way up with skip connections.

    Images are filled up with zeros, which is the mean colour, at the right and at the bottom to a multiple of the
    block; scores are cut back. In training each block is drawn high with the policy's probability. The pixel loss
    trains the network, the policy learns by REINFORCE: of its choices, those that were better than the mean become
    likelier. High was the better choice where the block's loss is larger than the mean of all, low where it is smaller;
    a share of high blocks under the target counts for high, one over it for low.

    Ours: the mean loss of a block is over its labelled pixels (the authors' ignored ones count as zero, and fill-up
    would, too); the number of high blocks is not rounded up for the sake of cuDNN's tuning; an image without low blocks
    is computed as a whole, one without high blocks as a whole at half the size. In training, where norms see all images
    together, those are in blocks like the others, and pooled at the low resolution only if no image has a high block.

    Args:
        classes: of the scores.
        block: side in pixels, a multiple of 64; the paper's is 128.
        width: of ResNet-18's first stage.
        decoder_width: channels on the way up.
        policy_width: channels of the policy network.
        target: share of high blocks aimed at; 0.4 and 0.2 in the paper.
        sparsity_weight: of the target in the policy's loss.

    Raises:
        UserError: another block; in use, an image smaller than one.
    """

    default_policy = "signal<0"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        block: int = 128,
        width: int = 64,
        decoder_width: int = 128,
        policy_width: int = 64,
        target: float = 0.4,
        sparsity_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if block < 64 or block % 64:
            raise UserError(f"a block of {block} pixels cannot be halved at stride 32; choose 64, 128, 192, ...")
        self.block, self.target, self.sparsity_weight = block, target, sparsity_weight
        self.policy = _policy_network(policy_width)
        self.body = ResNetBody(18, widths=doubling(width), stem=width)
        *skips, last = (width << stage for stage in range(4))
        self.context = PyramidPooling(last, decoder_width)
        self.skips = nn.ModuleList(_norm_relu_conv(skip, decoder_width) for skip in reversed(skips))
        self.blends = nn.ModuleList(_norm_relu_conv(decoder_width, decoder_width, 3) for _ in skips)
        self.classifier = _norm_relu_conv(decoder_width, classes, bias=True)

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`; in training also the policy's, one a block."""
        if not self.training:
            return resize(answer_by_default(self, images), size_of(images))
        whole = self.filled_up(images)
        logits = self.logits(whole)
        scores = self.scores(whole, torch.bernoulli(logits.sigmoid()).bool())
        return {"out": resize(self.cut_back(scores, size_of(images)), size_of(images)), "policy": logits[:, None]}

    def begin(self, images: Tensor) -> ChoiceOfBlocks:
        """Stage 1 is the policy network, stage 2 the other."""
        return ChoiceOfBlocks(self, self.filled_up(images), size_of(images))

    def filled_up(self, images: Tensor) -> Tensor:
        """Images to a multiple of the block."""
        height, width = size_of(images)
        if min(height, width) < self.block:
            smaller = ", or a smaller block (a multiple of 64) with -a block=64" if self.block > 64 else ""
            raise UserError(
                f"an image of {width}x{height} is smaller than a block of {self.block} pixels; give a larger --input"
                f"{smaller}"
            )
        return functional.pad(images, (0, -width % self.block, 0, -height % self.block))

    def cut_back(self, scores: Tensor, size: Size) -> Tensor:
        """Scores of the images before they were filled up; at full size where that is no multiple of the stride."""
        if size[0] % STRIDE or size[1] % STRIDE:
            full = resize(scores, (scores.shape[-2] * STRIDE, scores.shape[-1] * STRIDE))
            return full[..., : size[0], : size[1]]
        return scores[..., : size[0] // STRIDE, : size[1] // STRIDE]

    def logits(self, images: Tensor) -> Tensor:
        """The policy's answer to filled-up images, one a block `(N, rows, columns)`; positive asks for high."""
        seen = functional.interpolate(images, scale_factor=POLICY_STRIDE / self.block, mode="nearest")
        return self.policy(seen)[:, 0]  # type: ignore[no-any-return]

    def scores(self, images: Tensor, high: Tensor) -> Tensor:
        """Scores of filled-up images at stride 4, with the blocks of `high` `(N, rows, columns)` at high resolution.

        Each image is computed in the fastest way for it, and an image's way does not depend on the others'.
        """
        if self.training or high.is_meta:
            return self.in_blocks(images, high)
        some, every = high.flatten(1).any(1), high.flatten(1).all(1)
        ways = (every, self._whole), (~some, self._halved), (some & ~every, self.in_blocks)
        chosen = [(which.nonzero()[:, 0], way) for which, way in ways]
        parts = [way(images[rows], high[rows]) for rows, way in chosen if len(rows)]
        return torch.cat(parts)[torch.cat([rows for rows, _ in chosen]).argsort()]

    def in_blocks(self, images: Tensor, high: Tensor) -> Tensor:
        """The same with all images in blocks, also those with blocks of one resolution."""
        return self.swiftnet(BlockLayout(high).split(images, self.block)).enlarged()

    def dense(self, images: Tensor) -> Tensor:
        """Scores of filled-up images at stride 4 without any blocks."""
        return self.swiftnet(images)

    def _whole(self, images: Tensor, high: Tensor) -> Tensor:  # noqa: ARG002
        return self.dense(images)

    def _halved(self, images: Tensor, high: Tensor) -> Tensor:  # noqa: ARG002
        height, width = size_of(images)
        return resize(self.dense(functional.avg_pool2d(images, 2)), (height // STRIDE, width // STRIDE))

    def swiftnet(self, images: AnyMaps) -> AnyMaps:
        """Scores at stride 4."""
        maps, stages = over(self.body.stem, images), []
        for stage in self.body.stages:
            maps = over(stage, maps)
            stages.append(maps)
        maps = over_whole(self.context, stages.pop())
        for skip, blend in zip(self.skips, self.blends, strict=True):
            maps = over(blend, doubled(maps) + over(skip, stages.pop()))
        return over(self.classifier, maps)

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:  # noqa: ARG002
        """The pixel loss and the policy's."""
        whole, size = self.filled_up(images), (targets.shape[-2], targets.shape[-1])
        logits = self.logits(whole)
        high = torch.bernoulli(logits.detach().sigmoid()).bool()
        scores = resize(self.cut_back(self.scores(whole, high), size_of(images)), size)
        share = size[0] / images.shape[-2]
        sides = (round(whole.shape[-2] * share), round(whole.shape[-1] * share))
        losses = losses_of_blocks(scores.detach(), targets, loss.class_weights, sides, size_of(high))
        policy = policy_loss(logits, high, losses, self.target, self.sparsity_weight)
        return loss.total(scores, targets) + policy * loss.weight(targets)


class ChoiceOfBlocks(Run):
    """No image ends early; the one decision is which blocks are computed at high resolution."""

    unit = "block"

    def __init__(self, network: SegBlocks, images: Tensor, size: Size) -> None:
        super().__init__(len(images), 2, images.device)
        self._network, self._images, self._size = network, images, size
        self.grid = images.shape[-2] // network.block, images.shape[-1] // network.block
        self.cell = network.block, network.block  # of images that were filled up
        self._logits: Tensor
        self._high: Tensor
        self._answer: Tensor | None = None

    def signal(self) -> Tensor:
        """The policy's logit of each block `(n, rows, columns)`."""
        return self._logits

    def finished(self, which: Tensor) -> Tensor:
        return torch.zeros(len(which), dtype=torch.bool, device=which.device)

    def _advance(self) -> None:
        if self.stage == 0:
            self._logits = self._network.logits(self._images)
        else:
            self._answer = self._network.scores(self._images, self._high)

    def _read(self) -> Tensor:
        if self._answer is None:
            raise NotOffered("there are no scores before the blocks are computed")
        return self._network.cut_back(self._answer, self._size)

    def _keep(self, which: Tensor, rows: Tensor) -> None:  # noqa: ARG002
        self._high = which


class PyramidPooling(nn.Module):
    """Averages over grids of 8, 4 and 2 rows beside the maps (SwiftNet's spatial pyramid pooling).

    Args:
        inputs: channels of the maps.
        width: channels out; a third of it for each grid.
    """

    GRIDS = (8, 4, 2)

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        level = width // len(self.GRIDS)
        self.entry = _norm_relu_conv(inputs, width)
        self.levels = nn.ModuleList(_norm_relu_conv(width, level) for _ in self.GRIDS)
        self.fusion = _norm_relu_conv(width + level * len(self.GRIDS), width)

    def forward(self, maps: Tensor) -> Tensor:
        """`(N, inputs, H, W)` -> `(N, width, H, W)`."""
        maps = self.entry(maps)
        height, width = size_of(maps)
        seen = [maps]
        for rows, level in zip(self.GRIDS, self.levels, strict=True):
            grid = (rows, max(1, round(rows * width / height)))
            seen.append(resize(level(functional.adaptive_avg_pool2d(maps, grid)), (height, width)))
        return self.fusion(torch.cat(seen, 1))  # type: ignore[no-any-return]


def losses_of_blocks(scores: Tensor, targets: Tensor, class_weights: Tensor | None, sides: Size, grid: Size) -> Tensor:
    """The mean loss of each block's labelled pixels `(N, rows, columns)`; 0 where there are none.

    Args:
        scores: `(N, C, h, w)`.
        targets: `(N, h, w)`.
        class_weights: of the loss, `(C,)`.
        sides: of the filled-up images on the targets' scale.
        grid: rows and columns of blocks.
    """
    losses = functional.cross_entropy(
        scores.float(), targets.long(), class_weights, ignore_index=IGNORE, reduction="none"
    )
    fill = (0, sides[1] - targets.shape[-1], 0, sides[0] - targets.shape[-2])
    sums, counts = (
        functional.adaptive_avg_pool2d(functional.pad(values, fill)[:, None], grid)[:, 0]
        for values in (losses, (targets != IGNORE).float())
    )
    return sums / counts.clamp(min=torch.finfo(counts.dtype).tiny)


def policy_loss(logits: Tensor, high: Tensor, losses: Tensor, target: float, sparsity_weight: float) -> Tensor:
    """REINFORCE: minus the log-probability of what was drawn times its advantage, mean over all blocks.

    Args:
        logits: `(N, rows, columns)`.
        high: what was drawn.
        losses: of the blocks, on which no gradient goes back.
        target: share of high blocks aimed at.
        sparsity_weight: of how far the share is from it.
    """
    advantage = losses - losses.mean() + sparsity_weight * (target - high.float().mean())
    chosen = functional.binary_cross_entropy_with_logits(logits, high.to(logits.dtype), reduction="none")
    return (chosen * torch.where(high, advantage, -advantage)).mean()


def _policy_network(width: int) -> nn.Sequential:
    """Four convolutions to stride 32, the last with one channel."""
    layers: list[nn.Module] = []
    for inputs, kernel, stride in ((3, 7, 4), (width, 5, 2), (width, 5, 2)):
        conv = nn.Conv2d(inputs, width, kernel, stride, kernel // 2, bias=False)
        layers += [conv, nn.BatchNorm2d(width, momentum=0.02), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 5, 2, 2))


def _norm_relu_conv(inputs: int, outputs: int, kernel: int = 1, bias: bool = False) -> nn.Sequential:
    """SwiftNet's order, which leaves its input as it is."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv)
