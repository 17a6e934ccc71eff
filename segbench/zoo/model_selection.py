"""Model selection by uncertainty: an accurate network answers where a fast one is not sure (Huang et al., MVA 2019)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import Run
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment
from segbench.zoo.blocks import Answer, Size, main_logits, resize, rows_and_columns, size_of
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.named import build_named

_STRIDE = 4
"""Of the class scores, in pixels of the image."""
_HRNET = f"{HRNetV2.__module__}:{HRNetV2.__name__}"


class ModelSelection(nn.Module):
    """Two networks: the fast one answers the whole image, the accurate one its uncertain regions anew.

    The entropy of the fast network's class probabilities tells the regions of a grid in which it is not sure. Each of
    them, with some context around it, is an image of its own for the accurate network, whose answer replaces the fast
    one's in the region. Regions of one size share a batch. Where all regions of an image go on, the accurate network
    sees it once, as a whole; on a grid of one cell this selects a network for the image.

    Crops overlap: with so many multiply-adds of the fast and the accurate network for the image (F_full, G_full) and of
    the accurate one for a crop (G_crop), `n` regions cost F_full + n G_crop, and less than the accurate network alone
    only below n* = (G_full - F_full) / G_crop.

    Neither the paper nor code of its authors was at hand, and the method is known here by descriptions of it. Networks,
    grid, context, threshold and the training of both networks side by side, on the same images with the sum of their
    losses, are our choice.

    Args:
        classes: of the scores.
        fast, accurate: builders `module:Class` of networks with `encode` and `decode` (HRNetV2, SegNode).
        fast_arguments, accurate_arguments: of the builders.
        grid: rows and columns.
        context: pixels around a region; less at the image's edges, where there is more on the other side instead.

    Raises:
        UserError: no such network, or one that cannot put its scores out at any size; no grid, or no context.
    """

    default_policy = "entropy<0.1"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        fast: str = _HRNET,
        fast_arguments: Mapping[str, Any] | None = None,
        accurate: str = _HRNET,
        accurate_arguments: Mapping[str, Any] | None = None,
        grid: Sequence[int] = (4, 4),
        context: int = 32,
    ) -> None:
        super().__init__()
        self.fast = _decodable(fast, build_named(fast, classes, fast_arguments))
        self.accurate = _decodable(accurate, build_named(accurate, classes, accurate_arguments))
        if context < 0:
            raise UserError(f"context is {context} px; give 0 or more")
        self.grid, self.context = rows_and_columns(grid), context

    def forward(self, images: Tensor) -> Answer:
        """Logits `(N, classes, H, W)` under the default policy; in training both networks' of the whole image."""
        size = size_of(images)
        if not self.training:
            return resize(answer_by_default(self, images), size)
        return {"out": scores_of(self.accurate, images, size), "aux": scores_of(self.fast, images, size)}

    def begin(self, images: Tensor) -> Run:
        """Two stages, a network each.

        Raises:
            UserError: images with fewer scores than the grid has cells.
        """
        return _Selection(self, images)

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:  # noqa: ARG002
        """The sum of both networks' losses."""
        size = size_of(targets)
        return torch.stack(
            [loss.total(scores_of(network, images, size), targets) for network in (self.fast, self.accurate)]
        ).sum()


def scores_of(network: nn.Module, images: Tensor, size: Size) -> Tensor:
    """Class scores `(N, classes, *size)` of a network with `encode` and `decode`, and an ODE between them or none."""
    decodable: Any = network
    state = decodable.encode(images)
    return main_logits(decodable.decode(decodable.ode(state) if hasattr(network, "ode") else state, size))


def _decodable(builder: str, network: nn.Module) -> nn.Module:
    if hasattr(network, "encode") and hasattr(network, "decode"):
        return network
    raise UserError(f"{builder} cannot put its scores out at any size; take a network with encode and decode: {_HRNET}")


class _Selection(Run):
    unit = "region"

    def __init__(self, network: ModelSelection, images: Tensor) -> None:
        super().__init__(len(images), 2, images.device)
        self._network, self._inputs, self.grid = network, images, network.grid
        height, width = (-(-side // _STRIDE) for side in size_of(images))
        context = -(-network.context // _STRIDE)
        self._spans = tuple(
            spans(side, parts, context) for side, parts in zip((height, width), network.grid, strict=True)
        )
        self._size = (height, width)

    def _advance(self) -> None:
        if self.stage == 0:
            self._answer = scores_of(self._network.fast, self._inputs, self._size)
            return
        self._answer = self._answer.clone()
        whole = self._going.flatten(1).all(1)
        if whole.any():
            self._answer[whole] = scores_of(self._network.accurate, self._inputs[whole], self._size)
        groups = defaultdict(list)
        for image, row, column in (self._going & ~whole[:, None, None]).nonzero().tolist():
            place = self._spans[0][row], self._spans[1][column]
            crop = self._inputs[image][:, place[0].pixels, place[1].pixels]
            groups[size_of(crop)].append((image, place, crop))
        for group in groups.values():
            self._answer_anew(group)

    def _answer_anew(self, group: Sequence[tuple[int, tuple[Span, Span], Tensor]]) -> None:
        """Regions whose crops have one size."""
        _, (rows, columns), _ = group[0]
        crops = torch.stack([crop for _, _, crop in group])
        found = scores_of(self._network.accurate, crops, (rows.length, columns.length))
        for (image, (rows, columns), _), own in zip(group, found, strict=True):
            self._answer[image, :, rows.inner, columns.inner] = own[:, rows.within, columns.within]

    def _read(self) -> Tensor:
        return self._answer

    def _keep(self, which: Tensor, rows: Tensor) -> None:
        self._inputs, self._answer, self._going = self._inputs[rows], self._answer[rows], which


class Span(NamedTuple):
    """A region along one side, in scores: `start` to `stop`, and from where a crop of some `length` begins."""

    start: int
    stop: int
    first: int
    length: int

    @property
    def inner(self) -> slice:
        """The region among all scores."""
        return slice(self.start, self.stop)

    @property
    def within(self) -> slice:
        """The region among the crop's scores."""
        return slice(self.start - self.first, self.stop - self.first)

    @property
    def pixels(self) -> slice:
        """The crop among the image's pixels."""
        return slice(_STRIDE * self.first, _STRIDE * (self.first + self.length))


def spans(side: int, parts: int, context: int) -> list[Span]:
    """A side of so many scores in so many regions; crops have one length, and are shifted inwards at the edges.

    Raises:
        UserError: more regions than scores.
    """
    if parts > side:
        raise UserError(
            f"a grid of {parts} cells over {_STRIDE * side} pixels; give larger images, or a smaller grid with -a"
        )
    length = min(side, -(-side // parts) + 2 * context)
    bounds = [side * part // parts for part in range(parts + 1)]
    return [Span(start, stop, min(max(0, start - context), side - length), length) for start, stop in pairwise(bounds)]
