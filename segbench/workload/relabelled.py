"""Class scores of a network as those of a data set with other classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_IMPOSSIBLE = -1e4
"""A score that no class with a place falls below, within the range of float16; its softmax is 0."""


@dataclass(frozen=True)
class Relabelled:
    """Sums probabilities: a class of the data set has those of all the network's classes that count as it.

    The network's classes without a place are left out, as if the data set's were all that there is.

    Attributes:
        places: of each class of the network, the train id it counts as; None without one.
        classes: of the data set.
    """

    places: Sequence[int | None]
    classes: int

    def __call__(self, scores: Tensor) -> Tensor:
        """`(N, len(places), h, w)` logits to `(N, classes, h, w)`, up to a constant the logarithms of those sums."""
        found = torch.full_like(scores[:, :1], _IMPOSSIBLE).repeat(1, self.classes, 1, 1)
        for train_id in sorted({place for place in self.places if place is not None}):
            members = [number for number, place in enumerate(self.places) if place == train_id]
            found[:, train_id] = scores[:, members].logsumexp(1)
        return found
