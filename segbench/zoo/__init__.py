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
from typing import Protocol, runtime_checkable

from torch import Tensor


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
