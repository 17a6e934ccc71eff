"""What a training makes small: the network and its loss as one module, which is what DDP wraps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from inspect import signature
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.plan import Supervision
from segbench.libraries.traits import own_loss
from segbench.workload.network import require_classes
from segbench.workload.outputs import OutputReader
from segbench.zoo import HasTrajectory, Moment, SupervisesItself

END_FIRST = 2 / 3
"""Share of the budget for which `end-then-all` reads the end only (our choice)."""

ENTRY_WEIGHT = 0.1
"""Of the state before the first step, which has seen nothing of f yet (the study's recipe)."""


class Objective(nn.Module, ABC):
    """A network and its loss, summed over a part of a batch."""

    network: nn.Module

    @abstractmethod
    def forward(self, images: Tensor, targets: Tensor, moment: Moment) -> Tensor:
        """The sum of the losses.

        Args:
            images: `(N, 3, H, W)` float32, normalised.
            targets: labels `(N, h, w)`, or classes `(N,)`.
            moment: of the training.
        """

    @abstractmethod
    def weight(self, targets: Tensor) -> Tensor:
        """What the sums over all parts must be divided by, summed over all parts too; a scalar."""


@runtime_checkable
class Decodable(Protocol):
    """A network that can put its class scores out at any size, which saves enlarging them to the input's and back.

    An ODE network has an `ode` between the two.
    """

    def encode(self, images: Tensor) -> Any:
        """`(N, 3, H, W)` to whatever `decode` reads."""

    def decode(self, state: Any, size: tuple[int, int]) -> Any:
        """Class scores `(N, C, *size)`, also several of them."""


class Segmentation(Objective):
    """Pixel loss of a segmentation network, at its end or along an ODE network's trajectory.

    Args:
        network: to be trained.
        loss: of one class map.
        supervision: `end`: the last state only. `all`: every state of the solver's grid, state i of N with weight i/N
            and the first with 0.1. `end+half`: the last and the one after half of the steps, `end+random`: the last
            and one other drawn at random, both weighted likewise. `end-then-all`: `end` for the first two thirds of the
            budget, then `all`. The states' weights are scaled to sum to 1, so that the loss stays comparable between
            them (our choice); auxiliary scores add to each state's loss, as in the recipes they come from.
        classes: that the labels have; None: as many as the network gives.
        outputs: takes class scores out of what the network returns.

    Raises:
        UserError: a trajectory is asked of a network that has none; in `forward`, a network of other classes.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: PixelLoss,
        supervision: Supervision = "end",
        classes: int | None = None,
        outputs: OutputReader | None = None,
    ) -> None:
        super().__init__()
        if supervision != "end" and grid_steps(network) is None:
            name = type(network).__name__
            raise UserError(f"supervision {supervision!r} needs a trajectory and {name} has none; choose end")
        self.network = network
        self._loss = loss
        self._supervision = supervision
        self._classes = classes
        self._outputs = outputs or OutputReader(classes=classes)

    def forward(self, images: Tensor, targets: Tensor, moment: Moment) -> Tensor:
        """The weighted sum over the supervised class maps; or the network's own loss, a mean, times the weight."""
        if isinstance(self.network, SupervisesItself) and not hasattr(self.network, "training_loss"):
            return self.network.supervise(images, targets, self._loss, moment)
        own = own_loss(self.network)
        if own is not None:
            return own(images, targets.long()) * self.weight(targets)
        maps = list(self._class_maps(images, (targets.shape[-2], targets.shape[-1]), moment))
        if self._classes is not None:
            require_classes(type(self.network).__name__, maps[0][1].shape[1], self._classes)
        return torch.stack([share * self._loss.total(logits, targets) for share, logits in maps]).sum()

    def weight(self, targets: Tensor) -> Tensor:
        return self._loss.weight(targets)

    def _class_maps(self, images: Tensor, size: tuple[int, int], moment: Moment) -> Iterator[tuple[float, Tensor]]:
        """Weights and class scores `(N, C, *size)`."""
        supervision = self._supervision
        if supervision == "end-then-all":
            supervision = "end" if moment.progress < END_FIRST else "all"
        if supervision == "end":
            yield from self._end(images, size)
            return
        steps = grid_steps(self.network)
        assert steps is not None  # checked when it was built
        chosen = supervised_steps(supervision, steps, moment.draw)
        weights = [step / steps if step else ENTRY_WEIGHT for step in chosen]
        for weight, answer in zip(weights, self._on_the_way(images, size, chosen, steps), strict=True):
            for share, logits in self._outputs.supervised(answer, size):
                yield share * weight / sum(weights), logits

    def _end(self, images: Tensor, size: tuple[int, int]) -> Iterator[tuple[float, Tensor]]:
        network: Any = self.network
        if _decodes(network):
            state = network.encode(images)
            answer = network.decode(network.ode(state) if hasattr(network, "ode") else state, size)
        else:
            answer = network(images)
        yield from self._outputs.supervised(answer, size)
        if self._outputs.stride > 1:  # of the labels, which may be smaller than the images
            self._outputs.stride *= max(1, images.shape[-1] // size[1])

    def _on_the_way(self, images: Tensor, size: tuple[int, int], chosen: list[int], steps: int) -> list[Any]:
        network: Any = self.network
        if _decodes(network) and hasattr(network, "ode"):
            times = [network.ode.t_end * step / steps for step in chosen]
            return [network.decode(state, size) for state in network.ode.trajectory(network.encode(images), times)]
        times = [network.t_end * step / steps for step in chosen]
        return list(network.trajectory(images, times))


def _decodes(network: nn.Module) -> bool:
    """Whether it is `Decodable`; networks of others call something else encode and decode."""
    return isinstance(network, Decodable) and "size" in signature(network.decode).parameters


def grid_steps(network: nn.Module) -> int | None:
    """Into how many steps a network's time is cut: the solver's, or its number of exits; None without a trajectory."""
    blocks: list[Any] = [
        module for module in network.modules() if hasattr(module, "trajectory") and hasattr(module, "steps")
    ]
    if blocks:
        return int(blocks[0].steps)
    return round(network.t_end) if isinstance(network, HasTrajectory) else None


def supervised_steps(supervision: Literal["all", "end+half", "end+random"], steps: int, draw: float) -> list[int]:
    """The states of a grid of `steps` steps that the loss reads, in order; the last is always among them."""
    if supervision == "all":
        return list(range(steps + 1))
    return [steps // 2 if supervision == "end+half" else int(draw * steps), steps]
