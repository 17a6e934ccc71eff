"""Time conditioning: a per-channel scale and shift that grow with t, folded into the norm before them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """`x (1 + t scale) + t shift` per channel, zero-initialised, so that an untrained f does not depend on time.

    After Perez et al. 2018 ("FiLM: Visual Reasoning with a General Conditioning Layer"); linear in t is our choice, two
    numbers a channel. It is never applied to images: it folds into the affine map of the norm it follows, and so costs
    neither memory nor time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, weight: Tensor, bias: Tensor, time: float | Tensor) -> tuple[Tensor, Tensor]:
        """The affine map `(C,)`, `(C,)` of a norm followed by this modulation at `time`."""
        factor = 1 + time * self.scale
        return weight * factor, bias * factor + time * self.shift
