"""The networks, one a file: plain torch, built as `Class(classes=11, **arguments)` by the cards in `models/`.

Every network maps `images` `(N, 3, H, W)`, float32, any H and W from 32 up, to `logits` `(N, classes, H, W)`; one with
an auxiliary head gives `{"out": logits, "aux": ...}` in training. Maps of other sizes are resized bilinearly to the
size of the map they meet, never by a factor: 480x360 halves to 90, 45, 23, 12 rows. Weights start as PyTorch draws
them; every convolution of a body meets a norm, which makes its scale immaterial.

A network whose answer improves with time also has the `HasTrajectory` protocol: ODE networks (`SegNode`, `UNode`,
`NodesUNet`, `LevelSetNode`), and any network with early exits that counts its exits as times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from segbench.layers.pixel_loss import PixelLoss


@runtime_checkable
class HasTrajectory(Protocol):
    """A network that answers at any of several times, later ones better."""

    @property
    def t_end(self) -> float:
        """The time at which `forward` answers; the last exit's, for a network with exits."""
        ...

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits `(N, classes, H, W)` at each of `times` (ascending, 0 = before the first evaluation).

        The last of `trajectory(images, [t_end])` equals `forward(images)`.
        """
        ...


class Moment(NamedTuple):
    """What a step knows beside its images, the same in all processes.

    Attributes:
        draw: a number 0..1 for what the step chooses at random.
        progress: share of the budget that is used before it, 0..1.
    """

    draw: float
    progress: float


@runtime_checkable
class SupervisesItself(Protocol):
    """A network that has more to learn than class maps: exits in turn, a policy, a budget of operations.

    It is given the recipe's pixel loss; a network with a `training_loss` brings its own.
    """

    def supervise(self, images: Tensor, targets: Tensor, loss: PixelLoss, moment: Moment) -> Tensor:
        """The sum of the losses, as a training's objective gives it.

        Args:
            images: `(N, 3, H, W)`.
            targets: labels `(N, h, w)`, 255 ignored; h and w may be smaller than H and W.
            loss: `loss.total(logits, targets)` is the recipe's sum over pixels, `loss.weight(targets)` what it will be
                divided by: a further term that is a mean must be multiplied by it.
            moment: `progress` tells a training in stages where it stands, `draw` is the step's random number.
        """
