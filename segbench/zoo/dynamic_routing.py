"""Dynamic routing: every image finds its own path through a lattice of scales (Li et al., CVPR 2020, arXiv 2003.10401).

Where the paper leaves a thing open, the authors' code (github.com/yanwei-li/DynamicRouting) decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial, reduce

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from segbench.adaptive.inference import answer_by_default
from segbench.adaptive.run import NotOffered, Run
from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment
from segbench.zoo.blocks import PooledBatchNorm, Size, conv_norm_relu, resize, size_of

PATHS = UP, KEEP, DOWN = range(3)
"""Out of a cell: to twice the size and half the channels, to the same, to half the size and twice the channels."""

SCALES = 4
"""Strides 4 to 32; at stride 4 * 2**s a cell has width * 2**s channels."""

CLOSED = 1e-4
"""A gate below it is closed. A cell all of whose gates are passes its input on."""

BUDGET_STARTS, BUDGET_RAMP = 0.4, 0.02
"""Shares of the training: before the first the budget costs nothing, the second later it weighs in full."""


class DynamicRouting(nn.Module):
    """A stem to stride 4, one cell, then layers of up to four cells, one a scale, and a decoder over the last layer.

    Every cell has gates, which look at its input and answer, for each image, how much of the cell's output goes up, on
    and down (sections 3.2 and 3.3). A cell that gives nothing is not computed.

    The loss is the recipe's and, after 40 % of the training, `budget_weight * (C_exp / C_all - budget)**2`. C_exp is
    what cells and paths are expected to cost, mean over the images: a cell its multiply-adds times its largest gate, a
    path its multiply-adds times its own gate. C_all is the same with all gates open, counted here by running every part
    once; the authors wrote a number down for their crop, which has norms and ReLUs in it.

    Args:
        classes: of the scores.
        layers: L of the paper, without the first cell: 16, or 33 for the large network.
        width: channels at stride 4.
        small_gate: gates look at their input at a quarter of its size (the authors' A, B and C).
        budget_weight: of the budget in the loss: 0.8 (A), 0.5 (B, C) or 0 (Raw).
        budget: mu, the share of all operations aimed at: 0.1 (A, B) or 0.2 (C).
    """

    default_policy = f"signal<{CLOSED:g}"
    simulated: str | None = None
    multiple_of = 1

    def __init__(
        self,
        classes: int = 11,
        layers: int = 16,
        width: int = 64,
        small_gate: bool = True,
        budget_weight: float = 0.5,
        budget: float = 0.1,
    ) -> None:
        super().__init__()
        self.budget_weight, self.budget = budget_weight, budget
        self.stem = nn.Sequential(
            *conv_norm_relu(3, width, stride=2),
            *(*_separable(width), nn.ReLU(inplace=True)),
            *(*_separable(width, stride=2), nn.ReLU(inplace=True)),
        )
        scales = [min(layer + 1, SCALES) for layer in range(layers + 1)]
        self.layers = nn.ModuleList(
            RoutingLayer(width, now, after, small_gate) for now, after in zip(scales, [*scales[1:], 0], strict=True)
        )
        self.decoder = Decoder(width, scales[-1], classes)
        self._costs: dict[Size, list[Tensor]] = {}

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        scores = self.dense(images)[0] if self.training else answer_by_default(self, images)
        return resize(scores, size_of(images))

    def begin(self, images: Tensor) -> Routing:
        """Stage 1 is the stem, each further one a layer, the last with the decoder."""
        return Routing(self, images)

    def dense(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores at stride 4 with every cell and path computed, and each layer's gates `(N, cells, 3)`."""
        arrived, gates = self.enter(images), []
        for layer in self.layers:
            gates.append(layer.gates(arrived))  # type: ignore[operator]
            arrived = layer(arrived, gates[-1])
        return self.decoder(arrived.maps), gates

    def enter(self, images: Tensor) -> Arriving:
        """What the first cell gets."""
        maps = self.stem(images)
        return Arriving((maps,), torch.ones(len(maps), 1, dtype=torch.bool, device=maps.device))

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:
        """The pixel loss and the budget."""
        scores, gates = self.dense(images)
        total = loss.total(resize(scores, (targets.shape[-2], targets.shape[-1])), targets)
        ramp = min(1.0, (moment.progress - BUDGET_STARTS) / BUDGET_RAMP)
        if ramp <= 0 or not self.budget_weight:
            return total
        over = self.expected_share(gates, size_of(images)) - self.budget
        return total + self.budget_weight * ramp * over.square() * loss.weight(targets)

    def expected_share(self, gates: Sequence[Tensor], size: Size) -> Tensor:
        """C_exp / C_all, a scalar.

        Args:
            gates: of each layer, `(N, cells, 3)`.
            size: of the images.
        """
        if size not in self._costs:
            self._costs[size] = [cost.to(gates[0].device) for cost in self._count(size)]
        costs = self._costs[size]
        expected = [
            (own.amax(2) * cost[:, 0] + (own * cost[:, 1:]).sum(2)).sum(1).mean()
            for own, cost in zip(gates, costs, strict=True)
        ]
        return torch.stack(expected).sum() / torch.stack([cost.sum() for cost in costs]).sum()

    @torch.no_grad()
    def _count(self, size: Size) -> list[Tensor]:
        """Of each layer's cells and of their three paths `(cells, 4)`, FLOPs for one image; nothing is computed."""
        hollow = deepcopy(self).to("meta").eval()
        arrived, costs = hollow.enter(torch.empty(1, 3, *size, device="meta")), []
        for layer in hollow.layers:
            costs.append(torch.tensor([cell.count(maps) for cell, maps in layer.pairs(arrived)]).float())  # type: ignore[operator]
            arrived = layer(arrived, layer.gates(arrived))  # type: ignore[operator]
        return costs


@dataclass(frozen=True, eq=False)
class Arriving:
    """What a layer's cells get.

    Attributes:
        maps: one a scale, finest first; zero for images of which nothing has come there.
        there: `(N, cells)`, whether something has.
    """

    maps: tuple[Tensor, ...]
    there: Tensor


class RoutingLayer(nn.Module):
    """Cells side by side, one a scale.

    Args:
        width: channels of the finest.
        scales: how many cells.
        scales_after: of the next layer; 0: there is none, and all paths keep their scale.
        small_gate: as `DynamicRouting`'s.
    """

    def __init__(self, width: int, scales: int, scales_after: int, small_gate: bool) -> None:
        super().__init__()
        self.scales_after = scales_after or scales
        self.cells = nn.ModuleList(
            RoutingCell(width << scale, _paths_from(scale, scales_after), small_gate) for scale in range(scales)
        )

    def pairs(self, arrived: Arriving) -> Iterator[tuple[RoutingCell, Tensor]]:
        """Each cell with what it gets."""
        return zip(self.cells.children(), arrived.maps, strict=True)  # type: ignore[arg-type]

    def gates(self, arrived: Arriving, sparse: bool = False) -> Tensor:
        """`(N, cells, 3)`, 0 to 1; 0 for paths that a cell does not have, and where nothing has come.

        Args:
            arrived: what the cells get.
            sparse: gates are computed only for images of which something has come.
        """
        found = []
        for (cell, maps), there in zip(self.pairs(arrived), arrived.there.unbind(1), strict=True):
            own = _for_images(there if sparse else None, cell.gates, maps)
            found.append(maps.new_zeros(len(maps), len(PATHS)) if own is None else own * there[:, None])
        return torch.stack(found, 1)

    def forward(self, arrived: Arriving, gates: Tensor, taken: Tensor | None = None) -> Arriving:
        """What the next layer gets.

        Args:
            arrived: what the cells get.
            gates: `(N, cells, 3)`.
            taken: the paths to be computed, bool of the same shape; the others are closed. None: all.
        """
        weights = gates if taken is None else gates * taken
        sizes = [size_of(maps) for maps in arrived.maps]
        sizes.append(_halved(sizes[-1]))
        parts: list[list[Tensor]] = [[] for _ in range(self.scales_after)]
        for scale, (cell, maps) in enumerate(self.pairs(arrived)):
            for path, part in cell(maps, weights[:, scale], None if taken is None else taken[:, scale]):
                target = scale + path - KEEP
                parts[target].append(resize(part, sizes[target]))
        finest = arrived.maps[0]
        sums = (
            reduce(torch.add, own) if own else finest.new_zeros(len(finest), finest.shape[1] << scale, *sizes[scale])
            for scale, own in enumerate(parts)
        )
        return Arriving(tuple(sums), _arrivals(arrived.there, weights, self.scales_after))


class RoutingCell(nn.Module):
    """Two separable convolutions beside the identity (the paper's node), gates, and the ways out.

    Args:
        width: channels.
        paths: out of it, of `PATHS`.
        small_gate: as `DynamicRouting`'s.
    """

    def __init__(self, width: int, paths: Sequence[int], small_gate: bool) -> None:
        super().__init__()
        self.paths, self.small_gate = list(paths), small_gate
        self.body = nn.Sequential(*_separable(width), nn.ReLU(inplace=True), *_separable(width))
        self.up = nn.Sequential(*conv_norm_relu(width, width // 2, 1)) if UP in paths else None
        self.down = nn.Sequential(*conv_norm_relu(width, width * 2, 1, stride=2)) if DOWN in paths else None
        self.gate = nn.Sequential(
            nn.Conv2d(width, width // 2, 1, bias=False),
            PooledBatchNorm(width // 2),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width // 2, len(self.paths), 1),
        )
        nn.init.constant_(self.gate[-1].bias, 1.5)  # type: ignore[arg-type]  # open at the start, as the authors'

    def gates(self, maps: Tensor) -> Tensor:
        """`(n, 3)`, `max(0, tanh)` (equation 5); 0 for a path that the cell does not have."""
        if self.small_gate:
            maps = resize(maps, (max(1, maps.shape[-2] // 4), max(1, maps.shape[-1] // 4)))
        found = functional.relu(torch.tanh(self.gate(maps)[:, :, 0, 0]))
        return functional.pad(found, (self.paths[0], DOWN - self.paths[-1]))

    def forward(self, maps: Tensor, weights: Tensor, taken: Tensor | None) -> list[tuple[int, Tensor]]:
        """Paths, and what goes along each.

        Args:
            maps: `(N, width, h, w)`.
            weights: of the paths, `(N, 3)`.
            taken: which are computed, `(N, 3)`; None: all.
        """
        passing = weights.sum(1) < CLOSED
        found = [(KEEP, maps * passing[:, None, None, None])] if taken is None or passing.any() else []
        hidden = _for_images(None if taken is None else taken[:, self.paths].any(1), self.hidden, maps)
        if hidden is None:
            return found
        for path in self.paths:
            along = _for_images(None if taken is None else taken[:, path], partial(self.along, path), hidden)
            if along is not None:
                found.append((path, along * weights[:, path, None, None, None]))
        return found

    def hidden(self, maps: Tensor) -> Tensor:
        """What all paths start from."""
        return functional.relu(maps + self.body(maps))

    def along(self, path: int, hidden: Tensor) -> Tensor:
        """`(n, width, h, w)` at the path's width, and, but for going up, size."""
        change = (self.up, None, self.down)[path]
        return hidden if change is None else change(hidden)

    def count(self, maps: Tensor) -> list[int]:
        """FLOPs of the cell, and of each of the three paths."""
        hidden = self.hidden(maps)
        ways = [_flops(partial(self.along, path), hidden) for path in PATHS]
        return [_flops(self.hidden, maps), *ways]


class Decoder(nn.Module):
    """From the coarsest scale to the finest: 1x1 convolution to half the channels, twice the size, and the next added.

    Args:
        width: channels of the finest scale.
        scales: how many.
        classes: of the scores.
    """

    def __init__(self, width: int, scales: int, classes: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.Sequential(*conv_norm_relu(width << scale, width << max(0, scale - 1), 1)) for scale in range(scales)
        )
        self.classifier = nn.Conv2d(width, classes, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Scores at the finest scale; `maps` finest first."""
        sum_ = self.steps[-1](maps[-1])
        for step, own in zip(reversed(self.steps[:-1]), reversed(maps[:-1]), strict=True):
            sum_ = step(own + resize(sum_, size_of(own)))
        return self.classifier(sum_)  # type: ignore[no-any-return]


class Routing(Run):
    """One image's way, layer by layer. No image ends early; a decision is about the paths out of the next layer."""

    unit = "path"

    def __init__(self, network: DynamicRouting, images: Tensor) -> None:
        super().__init__(len(images), len(network.layers) + 1, images.device)
        self._network, self._images = network, images
        self._gates: Tensor
        self._taken: Tensor
        self._arrived: Arriving

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, cells, 3)`, of the next layer."""
        return tuple(self._gates.shape)

    def signal(self) -> Tensor:
        """The next layer's gates `(n, cells, 3)`."""
        return self._gates

    def finished(self, which: Tensor) -> Tensor:
        return torch.zeros(len(which), dtype=torch.bool, device=which.device)

    def _advance(self) -> None:
        layers = self._network.layers
        if self.stage == 0:
            self._arrived = self._network.enter(self._images)
        else:
            self._arrived = layers[self.stage - 1](self._arrived, self._gates, self._taken)
        if self.stage < len(layers):
            self._gates = layers[self.stage].gates(self._arrived, sparse=True)  # type: ignore[operator]

    def _read(self) -> Tensor:
        if self.stage < self.stages:
            raise NotOffered("there are no scores before the last layer")
        return self._network.decoder(self._arrived.maps)  # type: ignore[no-any-return]

    def _keep(self, which: Tensor, rows: Tensor) -> None:  # noqa: ARG002
        self._taken = which


def _for_images(which: Tensor | None, compute: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor | None:
    """`compute(maps)` for the images of `which` (None: all), zero for the others; None where there are none."""
    if which is None or which.all():
        return compute(maps)
    rows = which.nonzero()[:, 0]
    if not len(rows):
        return None
    some = compute(maps[rows])
    return some.new_zeros(len(maps), *some.shape[1:]).index_copy(0, rows, some)


def _arrivals(there: Tensor, weights: Tensor, scales: int) -> Tensor:
    """Whether something comes to each of the next layer's cells `(N, scales)`."""
    opened, more = weights > 0, scales - there.shape[1]
    kept = opened[..., KEEP] | there & (weights.sum(2) < CLOSED)
    up = functional.pad(opened[:, 1:, UP], (0, more + 1))
    down = functional.pad(opened[..., DOWN], (1, 0))[:, :scales]
    return functional.pad(kept, (0, more)) | up | down


def _paths_from(scale: int, scales_after: int) -> list[int]:
    """Those that end at one of so many scales."""
    return [path for path in PATHS if path == KEEP or 0 <= scale + path - KEEP < scales_after]


def _flops(compute: Callable[[Tensor], Tensor], maps: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        compute(maps)
    return int(counter.get_total_flops())


def _separable(width: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution of every channel by itself, a 1x1 convolution, and batch norm."""
    depthwise = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
    return [depthwise, nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)]


def _halved(size: Size) -> Size:
    """Of a convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2
