"""SegNode's f for images of which regions have finished: the large streams' small blocks skip them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.layers.norms import normalise
from segbench.layers.stage import at_stage, current_stage
from segbench.zoo.exchange import ExchangeModule
from segbench.zoo.streams import Streams

if TYPE_CHECKING:
    from segbench.zoo.segnode import ExchangeField


class RegionField(nn.Module):
    """`f(t, h)` on the regions that go on, and 0 on the large streams of those that have finished.

    A finished region stays as context: its neighbours' convolutions read the activations that it had when it was last
    computed, group norm counts it with the moments it had then, and what its blocks made of it then is still sent to
    the other streams. The exchange and the small streams are computed everywhere. The active regions are gathered into
    a batch of cells, each of which is given a border of one pixel before every convolution. The semantics ("freeze"
    with stale neighbours, real skipping in the two large streams) are ours.

    Args:
        field: whose layers are used.
        grid: rows and columns of regions.
        small: so many of the smallest streams are computed everywhere.

    Attributes:
        active: `(N, rows, columns)`, True where a region goes on. May lose regions from one evaluation to the next.
    """

    def __init__(self, field: ExchangeField, grid: tuple[int, int], small: int) -> None:
        super().__init__()
        self.field, self.grid, self.small = field, grid, small
        self.active: Tensor | None = None
        self._met: dict[NormReluConv, _Met] = {}
        self._kept: dict[NormReluConv, _Kept] = {}
        self._after: dict[tuple[ExchangeModule, int], Tensor] = {}

    def keep(self, rows: Tensor) -> None:
        """Goes on with some of the images."""
        self._met = {block: met._replace(maps=met.maps[rows]) for block, met in self._met.items()}
        self._kept = {block: _Kept(*(part[rows] for part in kept)) for block, kept in self._kept.items()}
        self._after = {place: maps[rows] for place, maps in self._after.items()}

    def forward(self, time: float | Tensor, streams: Streams) -> Streams:
        """The derivative of each stream, same shapes."""
        return self.stopped(self.field.composed(streams, lambda exchange, maps: self._change(exchange, maps, time)))

    def stopped(self, slopes: Streams) -> Streams:
        """The same, with 0 on the large streams of regions that have finished."""
        if self.active is None:
            return slopes
        large = len(slopes) - self.small
        going = (_cells(slope, self.grid) * self.active[..., None, None, None] for slope in slopes[:large])
        return (*(_whole(cells) for cells in going), *slopes[large:])

    def _change(self, exchange: ExchangeModule, streams: Streams, time: float | Tensor) -> Streams:
        large = len(streams) - self.small
        for number, maps in enumerate(streams):
            if number >= large:
                self._after[exchange, number] = exchange.through(number, maps, lambda block, maps: block(maps, time))
            elif self.active is None:
                self._after[exchange, number] = exchange.through(
                    number, maps, lambda block, maps: self._all(block, maps, time)
                )
            else:
                cells = _cells(maps, self.grid)[self.active]
                after = exchange.through(number, cells, lambda block, cells: self._some(block, cells, time))
                _cells(self._after[exchange, number], self.grid)[self.active] = after
        return tuple(exchange.exchanged(tuple(self._after[exchange, number] for number in range(len(streams)))))

    def _all(self, block: NormReluConv, maps: Tensor, time: float | Tensor) -> Tensor:
        self._met[block] = _Met(maps, time, current_stage().index)
        self._kept.pop(block, None)  # of before, if the images whose regions had finished have left
        changed: Tensor = block(maps, time)
        return changed

    def _some(self, block: NormReluConv, cells: Tensor, time: float | Tensor) -> Tensor:
        """A small block on the active regions `(n, C, h, w)` of all images."""
        assert self.active is not None
        if block not in self._kept:
            self._kept[block] = _kept(block, self._met.pop(block), self.grid)
        moments, activations = self._kept[block]
        if isinstance(block.norm, nn.GroupNorm):
            moments[self.active] = _moments(cells, block.norm.num_groups)
            of_images = moments.mean((1, 2))[self.active.nonzero()[:, 0]]
            normalised = _scaled(cells, block.norm, of_images, *block.affine(time))
        else:
            normalised = normalise(block.norm, cells, *block.affine(time))
        _cells(activations[..., 1:-1, 1:-1], self.grid)[self.active] = functional.relu(normalised)
        return functional.conv2d(_cells(activations, self.grid, 1)[self.active], block.conv.weight)


class _Met(NamedTuple):
    """What a small block was last given as a whole."""

    maps: Tensor
    time: float | Tensor
    stage: int


class _Kept(NamedTuple):
    """What a small block remembers of every region: the moments of its input's groups `(N, rows, columns, groups, 2)`,
    and its activations `(N, C, H + 2, W + 2)` with a border of zeros."""

    moments: Tensor
    activations: Tensor


def _kept(block: NormReluConv, met: _Met, grid: tuple[int, int]) -> _Kept:
    with at_stage(met.stage):
        activated = functional.relu(normalise(block.norm, met.maps, *block.affine(met.time)))
    groups = block.norm.num_groups if isinstance(block.norm, nn.GroupNorm) else 1
    cells = _cells(met.maps, grid)
    moments = _moments(cells.flatten(0, 2), groups).view(*cells.shape[:3], groups, 2)
    return _Kept(moments, functional.pad(activated, (1, 1, 1, 1)))


def _moments(cells: Tensor, groups: int) -> Tensor:
    """Mean and mean square of each group `(n, groups, 2)`."""
    values = cells.reshape(len(cells), groups, -1)
    return torch.stack([values.mean(2), values.square().mean(2)], dim=2)


def _scaled(cells: Tensor, norm: nn.GroupNorm, moments: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Group norm of cells whose images' moments are known."""
    mean, square = moments.unbind(2)
    factor = (square - mean.square()).clamp_min(0).add(norm.eps).rsqrt()
    members = norm.num_channels // norm.num_groups
    factor, mean = (part.repeat_interleave(members, dim=1) for part in (factor, mean))
    scale = weight * factor
    return torch.addcmul((bias - mean * scale)[..., None, None], cells, scale[..., None, None])


def _cells(maps: Tensor, grid: tuple[int, int], border: int = 0) -> Tensor:
    """`(N, C, H, W)` as regions `(N, rows, columns, C, h, w)`, a view; with a border they overlap by twice as much."""
    height, width = ((side - 2 * border) // parts for side, parts in zip(maps.shape[2:], grid, strict=True))
    regions = maps.unfold(2, height + 2 * border, height).unfold(3, width + 2 * border, width)
    return regions.permute(0, 2, 3, 1, 4, 5)


def _whole(cells: Tensor) -> Tensor:
    """Inverse of `_cells`."""
    return cells.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
