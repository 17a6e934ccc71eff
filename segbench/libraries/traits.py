"""What a network asks of its images, and how its library trains it: told by adapters, read where a step is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from segbench.layers.pixel_loss import PixelLoss
from segbench.zoo import Moment, SupervisesItself

_NAME = "segbench_traits"
_SUPERVISION = "its own supervision, as at the beginning of its training"

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's training images per channel, the field's usual normalisation."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


@dataclass(frozen=True)
class Traits:
    """Facts of a network that its code alone does not tell.

    Attributes:
        channels: of its images.
        divisor: that the images' height and width must have.
        square: they must be equal too.
        mean, std: of the pixels 0..1 per channel, taken out of the images; None for ImageNet's.
        aux_weight: of each auxiliary output in its library's loss; None where the library has no word on it.
        loss: what the network's own loss is, as a phrase; None where the scores' cross-entropy is the loss.
        auxiliary: outputs beside the main one that this loss reads.
        assumed: what of that loss a prediction assumes, as a phrase.
    """

    channels: int = 3
    divisor: int = 1
    square: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    aux_weight: float | None = None
    loss: str | None = None
    auxiliary: int = 0
    assumed: str | None = None

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest (H, W) it takes that an image of (H, W) fits into."""
        height, width = (side + -side % self.divisor for side in size)
        return (max(height, width),) * 2 if self.square else (height, width)

    def near(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The sizes that it takes next to (H, W), the smaller first."""
        height, width = (max(self.divisor, side - side % self.divisor) for side in size)
        smaller = (min(height, width),) * 2 if self.square else (height, width)
        return list(dict.fromkeys([smaller, self.padded(size)]))

    @property
    def any_size(self) -> bool:
        """Whether it takes images of every size."""
        return self.divisor == 1 and not self.square

    @property
    def normalisation(self) -> str | None:
        """In words, where it is not ImageNet's."""
        if self.mean is None or self.std is None or (self.mean, self.std) == (IMAGENET_MEAN, IMAGENET_STD):
            return None
        return (
            "mean "
            + "/".join(f"{part:g}" for part in self.mean)
            + ", deviation "
            + "/".join(f"{part:g}" for part in self.std)
        )

    @property
    def images(self) -> str:
        """What it takes, in words."""
        sides = f" with sides divisible by {self.divisor}" if self.divisor > 1 else ""
        return ("square images" if self.square else "images") + sides


def with_traits(network: nn.Module, traits: Traits) -> nn.Module:
    """The network, which now carries them."""
    setattr(network, _NAME, traits)
    return network


def traits_of(network: nn.Module) -> Traits:
    """Those an adapter told; a network of anybody else's takes three channels of any size."""
    found = getattr(network, _NAME, None)
    if isinstance(found, Traits):
        return found
    return Traits(loss=_SUPERVISION if isinstance(network, SupervisesItself) else None)


def own_loss(network: nn.Module) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The mean over a batch of a loss that is a network's own, `loss(images, labels)`; None without one.

    Labels are `(N, H, W)` integers, 255 where a pixel does not count. It is the network's `training_loss`; or what a
    network that supervises itself makes of cross-entropy at the beginning of its training, where those that leave out
    pixels later compute them all.
    """
    found = getattr(network, "training_loss", None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    return partial(_supervised, network) if isinstance(network, SupervisesItself) else None


def _supervised(network: SupervisesItself, images: Tensor, labels: Tensor) -> Tensor:
    loss = PixelLoss()
    return network.supervise(images, labels, loss, Moment(draw=0.5, progress=0.0)) / loss.weight(labels)
