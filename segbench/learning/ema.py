"""A running mean of the weights, which is what is evaluated and saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from segbench.learning.state_dicts import load_tensors, tensors_of


class Ema:
    """Exponential mean of a network's parameters; buffers are copied.

    The decay starts low and rises, min(decay, (1 + n) / (10 + n)) at update n (as in TensorFlow's
    ExponentialMovingAverage), so that the random start is forgotten.

    Args:
        network: whose weights are followed.
        decay: of the mean; 0.998 remembers about 500 steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors: dict[str, Tensor] = {name: value.detach().clone() for name, value in tensors_of(network).items()}
        self._averaged = {name for name, _ in network.named_parameters()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes in the weights after a step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in tensors_of(network).items():
            if name in self._averaged and value.is_floating_point():
                self.tensors[name].lerp_(value, 1 - decay)
            else:
                self.tensors[name].copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The network with the mean weights for a while."""
        own = {name: value.detach().clone() for name, value in tensors_of(network).items()}
        load_tensors(network, self.tensors)
        try:
            yield
        finally:
            load_tensors(network, own)
