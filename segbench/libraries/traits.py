"""What a network asks of its images, and how its library trains it: told by adapters, read where a step is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

_NAME = "segbench_traits"


@dataclass(frozen=True)
class Traits:
    """Facts of a network that its code alone does not tell.

    Attributes:
        channels: of its images.
        divisor: that the images' height and width must have.
        square: they must be equal too.
        mean, std: of the pixels 0..1 per channel, taken out of the images; None for ImageNet's.
        aux_weight: of each auxiliary output in its library's loss; None where the library has no word on it.
    """

    channels: int = 3
    divisor: int = 1
    square: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    aux_weight: float | None = None

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest (H, W) it takes that an image of (H, W) fits into."""
        height, width = (side + -side % self.divisor for side in size)
        return (max(height, width),) * 2 if self.square else (height, width)


def with_traits(network: nn.Module, traits: Traits) -> nn.Module:
    """The network, which now carries them."""
    setattr(network, _NAME, traits)
    return network


def traits_of(network: nn.Module) -> Traits:
    """Those an adapter told; a network of anybody else's takes three channels of any size."""
    found = getattr(network, _NAME, None)
    return found if isinstance(found, Traits) else Traits()


def own_loss(network: nn.Module) -> Callable[[Tensor, Tensor], Tensor] | None:
    """A network's `training_loss(images, labels)`, the mean over a batch of a loss that is its own; None without.

    Labels are `(N, H, W)` integers, 255 where a pixel does not count.
    """
    found = getattr(network, "training_loss", None)
    return found if callable(found) else None
