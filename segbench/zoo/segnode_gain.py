"""A SegNode that foresees what its next step will gain, and so where to stop (ours; no paper's method)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.adaptive.solver import SolverRun
from segbench.cards.datasets import IGNORE
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment
from segbench.zoo.blocks import Size, main_logits, rows_and_columns, size_of
from segbench.zoo.region_run import RegionRun
from segbench.zoo.segnode import SegNode
from segbench.zoo.streams import W48, Streams

_ENTRY_WEIGHT = 0.1
"""Of the state before the first step, as where `segbench train` supervises every state."""


class SegNodeGain(SegNode):
    """A SegNode with a tiny head that predicts by how much another step lowers the loss, in every region.

    Confidence asks whether an answer is good. What a policy needs to know is whether computation would make it better:
    regions that no step can help are as finished as those that are right. The head looks at the state (norm, ReLU, a
    1x1 convolution a stream and the average over the region, then two layers that also know the time) and is trained by
    regression to what the training's own steps gain: the fall of the recipe's loss a labelled pixel from one state to
    the next. Neither sends a gradient into the network. It reads no class scores, and costs 0.16 % of an
    evaluation of f at the default widths, 1.9 % in card `segnode-gain-w8` (multiply-adds).

    `run.signal()` is the predicted gain, of each region if `region` is given, else the mean over an image's: policy
    `signal<0.01` stops what would gain less.

    Args:
        hidden: channels of the head.
        grid: rows and columns of the regions it is trained on.
        others: arguments of `SegNode`.

    Raises:
        UserError: a grid that is none, and as `SegNode`.
    """

    def __init__(
        self,
        classes: int = 11,
        widths: Sequence[int] = W48,
        hidden: int = 16,
        grid: Sequence[int] = (3, 4),
        **others: Any,
    ) -> None:
        super().__init__(classes, widths, **others)
        self.grid = rows_and_columns(grid)
        self.looks = nn.ModuleList(NormReluConv(width, hidden, 1) for width in widths)
        self.judge = nn.Sequential(nn.Conv2d(hidden + 1, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 1, 1))

    def begin(self, images: Tensor) -> SolverRun:
        """As a SegNode's, with a signal."""
        return _OfImages(self, images) if self.region is None else _OfRegions(self, images, self.region)

    def gains(self, streams: Streams, grid: Size, time: float) -> Tensor:
        """The predicted fall of the loss in the next step `(N, *grid)`.

        Args:
            streams: of the state; no gradient reaches them.
            grid: rows and columns of regions.
            time: share of the solve that lies behind, 0 to 1.
        """
        # contiguous, as torch 2.13's group norm crashes in its backward pass on channels_last maps without a gradient
        seen = [
            functional.adaptive_avg_pool2d(look(maps.detach().contiguous()).relu(), grid)
            for look, maps in zip(self.looks, streams, strict=True)
        ]
        total = torch.stack(seen).sum(0)
        foreseen: Tensor = self.judge(torch.cat([total, torch.full_like(total[:, :1], time)], dim=1))
        return foreseen[:, 0]

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:  # noqa: ARG002
        """The loss of every state, as a SegNode's supervision `all`, and the head's squared error."""
        steps, size = self.ode.steps, size_of(targets)
        times = [self.ode.t_end * step / steps for step in range(steps + 1)]
        states = self.ode.trajectory(self.encode(images), times)
        maps = [main_logits(self.decode(state, size)) for state in states]
        weights = [step / steps if step else _ENTRY_WEIGHT for step in range(steps + 1)]
        losses = [weight * loss.total(logits, targets) for weight, logits in zip(weights, maps, strict=True)]
        error = self.error(states, maps, targets, loss.class_weights)
        return torch.stack(losses).sum() / sum(weights) + loss.weight(targets) * error

    def error(
        self, states: Sequence[Streams], maps: Sequence[Tensor], targets: Tensor, weights: Tensor | None
    ) -> Tensor:
        """The head's mean squared error over steps, images and regions with labels; 0 where none has any.

        Args:
            states: of the training's grid, the first included.
            maps: what each of them puts out, `(N, C, h, w)`.
            targets: `(N, h, w)`.
            weights: of the classes in the recipe's loss.
        """
        with torch.no_grad():
            losses = torch.stack([regional_loss(logits, targets, self.grid, weights) for logits in maps])
        steps = len(states) - 1
        foreseen = torch.stack([self.gains(state, self.grid, step / steps) for step, state in enumerate(states[:-1])])
        gained = losses[:-1] - losses[1:]
        labelled = ~gained.isnan()
        squares = (foreseen - gained.nan_to_num()).square() * labelled
        return squares.sum() / labelled.sum().clamp_min(1)


def regional_loss(logits: Tensor, targets: Tensor, grid: Size, weights: Tensor | None = None) -> Tensor:
    """The mean cross-entropy over the labelled pixels of every region `(N, *grid)`; not a number where there are none.

    Args:
        logits: `(N, C, h, w)`.
        targets: `(N, h, w)`, 255 where a pixel does not count.
        grid: rows and columns.
        weights: of the classes.
    """
    losses = functional.cross_entropy(logits.float(), targets.long(), weights, ignore_index=IGNORE, reduction="none")
    both = torch.stack([losses, (targets != IGNORE).to(losses.dtype)], dim=1)
    total, labelled = functional.adaptive_avg_pool2d(both, grid).unbind(1)
    return total / labelled


class _OfImages(SolverRun):
    def __init__(self, network: SegNodeGain, images: Tensor) -> None:
        super().__init__(network, images)
        self._head = network

    def signal(self) -> Tensor:
        return self._head.gains(self.state(), self._head.grid, self.stage / self.stages).mean((1, 2))


class _OfRegions(RegionRun):
    def __init__(self, network: SegNodeGain, images: Tensor, side: int) -> None:
        super().__init__(network, images, side)
        self._head = network

    def signal(self) -> Tensor:
        assert self.grid is not None
        return self._head.gains(self.state(), self.grid, self.stage / self.stages)
