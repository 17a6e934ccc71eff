"""Images padded to a size that a network takes, and its answer cut back to theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from segbench.cards.datasets import IGNORE
from segbench.libraries.traits import own_loss, traits_of


def pad_inputs(network: nn.Module) -> None:
    """Has the network pad whatever images it is called with, by zeros at the right and at the bottom.

    A loss of its own sees labels padded with pixels that do not count.
    """
    if traits_of(network).any_size:
        return
    loss: Any = own_loss(network)
    network.register_forward_pre_hook(_pad_first)
    if loss is not None:
        network.training_loss = partial(_padded_loss, loss, network)  # type: ignore[assignment]


def _pad_first(network: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_padded(args[0], network, 0.0), *args[1:])


def _padded_loss(loss: Callable[..., Tensor], network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return loss(_padded(images, network, 0.0), _padded(labels, network, IGNORE))


def _padded(maps: Tensor, network: nn.Module, value: float) -> Tensor:
    """To the smallest size that the network takes."""
    height, width = traits_of(network).padded((maps.shape[-2], maps.shape[-1]))
    down, right = height - maps.shape[-2], width - maps.shape[-1]
    return functional.pad(maps, (0, right, 0, down), value=value) if down or right else maps
