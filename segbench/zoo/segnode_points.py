"""SegNode whose late dynamics are local: each uncertain pixel goes on by an ODE of its own (ours; no paper's)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from segbench.adaptive.inference import answer_by_default
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region, maps_of, rows_of
from segbench.zoo import Moment
from segbench.zoo.blocks import Answer, Size, main_logits, resize, size_of
from segbench.zoo.named import build_named
from segbench.zoo.pixel_exits import PixelRun
from segbench.zoo.segnode import SegNode


class PointField(nn.Module):
    """The g of `dz/dt = g(z, c)`, pixel by pixel: layer norm, a linear layer, the context added, ReLU, a linear layer.

    Args:
        state: numbers in a pixel's state z.
        hidden: in its context c.
    """

    def __init__(self, state: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(state)
        self.enter = nn.Linear(state, hidden, bias=False)
        self.leave = nn.Linear(hidden, state)

    def forward(self, states: Tensor, context: Tensor) -> Tensor:
        """States `(A, state)` and context `(A, hidden)` -> derivatives `(A, state)`."""
        inner = torch.addmm(context, self.norm(states), self.enter.weight.t())
        slope: Tensor = self.leave(inner.relu_())
        return slope


@dataclass(frozen=True, eq=False)
class Points:
    """Pixels under way.

    Attributes:
        mask: which pixels they are, `(N, h, w)` bool.
        states: `(A, state)`, row by row of the mask.
        context: `(A, hidden)`.
    """

    mask: Tensor
    states: Tensor
    context: Tensor

    def within(self, mask: Tensor) -> Points:
        """Those of them that a mask `(N, h, w)` has too."""
        rows = mask[self.mask]
        return self if rows.all() else Points(mask & self.mask, self.states[rows], self.context[rows])

    def of_images(self, images: Tensor) -> Points:
        """Those in images of these numbers, rising."""
        chosen = torch.zeros_like(self.mask)
        chosen[images] = True
        rows = chosen[self.mask]
        return Points(self.mask[images], self.states[rows], self.context[rows])


class SegNodePoints(nn.Module):
    """A solve for the whole image at an eighth of its size, and then one for each uncertain pixel at half of it.

    A stem makes maps at half of the image's size, from which a coarse network works as from an image. What it puts out,
    `state` channels in place of classes, is the start of a second ODE: sampled bilinearly at a pixel it is `z(0)`, and
    `dz/dt = g(z, c)` runs to t = 1 in Euler steps. The context c is a linear layer of the stem's maps, as they are and
    at half their size, read once. Another linear layer reads class scores from z at any time. It commutes with the
    sampling, so that the coarse answer is read before it.

    As g looks at no neighbour, leaving out a pixel changes no other: the rest is gathered, and goes through matrix
    products of fewer rows. Nothing is masked, there are no margins, and a pixel that goes on becomes what it becomes in
    the dense network. Exits: the coarse answer, and the one after every step; pixels leave by confidence.

    That confident pixels leave is Layer Cascade's idea (Li et al. 2017). That uncertain ones are refined by pointwise
    layers from coarse and fine features, and trained on a sample of pixels, is PointRend's (Kirillov et al., CVPR
    2020), which refines a fixed number of them. Ours is the refinement as an ODE in the coarse solver's state with an
    exit after every step, and so are the sizes, and that training draws its pixels evenly.

    Args:
        classes: of the scores.
        coarse: builder of the coarse network, as in a model card; one with `encode`, `decode` and `inputs`, which are
            `SegNode` and `HRNetV2`.
        coarse_arguments: its arguments, but for `classes` and `inputs`.
        state: channels of z.
        hidden: channels of c, and within g.
        stem: channels of the stem's first convolution; its second has twice as many.
        steps: of the second ODE.
        drawn: share of each image's pixels, drawn anew for every batch, on which the exits after the first are
            trained.

    Raises:
        UserError: no steps, no pixels drawn, or a coarse network that cannot be found.
    """

    default_policy = "confidence>0.8"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        coarse: str = f"{SegNode.__module__}:SegNode",
        coarse_arguments: Mapping[str, Any] | None = None,
        state: int = 64,
        hidden: int = 256,
        stem: int = 32,
        steps: int = 2,
        drawn: float = 0.33,
    ) -> None:
        super().__init__()
        if steps < 1 or not 0 < drawn <= 1:
            raise UserError(f"steps is {steps} and drawn {drawn}; points need at least one step, and a share up to 1")
        self.steps, self.drawn, wide = steps, drawn, 2 * stem
        self.stem = nn.Sequential(*_conv_relu(3, stem, 2), *_conv_relu(stem, wide))
        self.coarse = build_named(coarse, state, {**(coarse_arguments or {}), "inputs": wide})
        self.around = nn.Sequential(*_conv_relu(wide, stem, 2), *_conv_relu(stem, stem))
        self.look = nn.Linear(wide + stem, hidden)
        self.field = PointField(state, hidden)
        self.readout = nn.Linear(state, classes)

    def forward(self, images: Tensor) -> Answer:
        """Logits `(N, classes, H, W)` under the default policy; in training those of all exits, of all pixels.

        A training calls `supervise`, which takes a share of the pixels and therefore less memory and time.
        """
        if not self.training:
            return resize(answer_by_default(self, images), size_of(images))
        *early, last = (resize(scores, size_of(images)) for scores in self.exits(images))
        return {"out": last} | {f"aux{number}": scores for number, scores in enumerate(early, 1)}

    def begin(self, images: Tensor) -> PixelRun:
        """An inference with a stage an exit."""
        return _PointRun(self, images.contiguous(memory_format=torch.channels_last))

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:  # noqa: ARG002
        """The mean of the exits' losses, exit i with weight i; after the first, drawn pixels stand for all."""
        maps = self.stem(images)
        start, size = self.start(maps), size_of(maps)
        drawn = _drawn(len(maps), size, self.drawn, maps.device)
        labels = _labels_at(targets, size).flatten()[drawn.active]
        as_all = loss.weight(targets) / loss.weight(labels).clamp_min(1)
        losses = [loss.total(resize(self.coarse_scores(start, size), size_of(targets)), targets)]
        for points in self.solved(self.points(maps, start, drawn)):
            scores = self.readout(points.states).t()[None, ..., None]
            losses.append(as_all * loss.total(scores, labels[None, :, None]))
        weights = range(1, len(losses) + 1)
        return torch.stack([weight * own for weight, own in zip(weights, losses, strict=True)]).sum() / sum(weights)

    def exits(self, images: Tensor) -> Iterator[Tensor]:
        """Scores `(N, classes, h, w)` of every exit, of all pixels at half the image's size."""
        maps = self.stem(images)
        start, size = self.start(maps), size_of(maps)
        yield self.coarse_scores(start, size)
        everywhere = torch.ones(len(maps), *size, dtype=torch.bool, device=maps.device)
        for points in self.solved(self.points(maps, start, Region(everywhere))):
            yield self.scores(points)

    def start(self, maps: Tensor) -> Tensor:
        """`z(0)` at a quarter of the size of the stem's maps, `(N, state, h, w)`."""
        coarse: Any = self.coarse
        streams = coarse.encode(maps)
        streams = coarse.ode(streams) if hasattr(coarse, "ode") else streams
        return main_logits(coarse.decode(streams, size_of(streams[0])))

    def coarse_scores(self, start: Tensor, size: Size) -> Tensor:
        """Class scores `(N, classes, *size)` of `z(0)`."""
        return resize(self.readout(start.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), size)

    def points(self, maps: Tensor, start: Tensor, region: Region) -> Points:
        """The pixels of a region before the first step.

        Args:
            maps: the stem's.
            start: `z(0)`.
            region: of the size of the maps.
        """
        parts = (_rows(resize(own, size_of(maps))) for own in (start, maps, self.around(maps)))
        states, *seen = parts if region.is_whole else (rows.index_select(0, region.active) for rows in parts)
        return Points(region.mask, states, self.look(torch.cat(seen, 1)))

    def solved(self, points: Points) -> Iterator[Points]:
        """The points after every step."""
        for _ in range(self.steps):
            points = self.stepped(points)
            yield points

    def stepped(self, points: Points) -> Points:
        """The points an Euler step later."""
        slope = self.field(points.states, points.context)
        return replace(points, states=torch.add(points.states, slope, alpha=1 / self.steps))

    def scores(self, points: Points, region: Region | None = None, carried: Tensor | None = None) -> Tensor:
        """Class scores `(N, classes, h, w)` at the points, and what was carried over elsewhere."""
        values, (count, height, width) = self.readout(points.states), points.mask.shape
        if region is None or carried is None:
            return values.view(count, height, width, -1).permute(0, 3, 1, 2)  # type: ignore[no-any-return]
        return maps_of(region.replaced(values, rows_of(carried)), count, (height, width))


def _conv_relu(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """Without a norm: at half of the image's size it would cost as much as the convolution."""
    return nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU(inplace=True)


def _rows(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


class _PointRun(PixelRun):
    def __init__(self, network: SegNodePoints, images: Tensor) -> None:
        super().__init__(len(images), network.steps + 1, images.device)
        self._network, self._images = network, images
        self._points: Points | None = None

    def _computed(self, region: Region | None) -> Size:
        if region is None:
            self._maps = self._network.stem(self._images)
            self._start = self._network.start(self._maps)
        else:
            points = self._points or self._network.points(self._maps, self._start, region)
            self._points = self._network.stepped(points.within(region.mask))
        return size_of(self._maps)

    def _scored(self, region: Region, carried: Tensor | None) -> Tensor:
        if self._points is None:
            return self._network.coarse_scores(self._start, size_of(self._maps))
        return self._network.scores(self._points, region, carried)

    def _select(self, rows: Tensor) -> None:
        self._maps, self._start = self._maps[rows], self._start[rows]
        self._points = self._points and self._points.of_images(rows)


def _drawn(count: int, size: Size, share: float, device: torch.device) -> Region:
    """Equally many pixels of every image, at random."""
    pixels = size[0] * size[1]
    chosen = torch.rand(count, pixels, device=device).topk(max(1, round(share * pixels)), sorted=False).indices
    active = (chosen.sort().values + pixels * torch.arange(count, device=device)[:, None]).flatten()
    mask = torch.zeros(count * pixels, dtype=torch.bool, device=device).index_fill_(0, active, True)
    return Region(mask.view(count, *size), active)


def _labels_at(targets: Tensor, size: Size) -> Tensor:
    """Labels at positions that each stand for several pixels: of one of them, drawn for the batch.

    Always taking the same one would move all edges by half a pixel.
    """
    rows, columns = (
        ((torch.arange(few, device=targets.device) + torch.rand((), device=targets.device)) * many / few).long()
        for few, many in zip(size, size_of(targets), strict=True)
    )
    return targets[:, rows[:, None], columns]
