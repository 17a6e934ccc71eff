"""One tiny network that has what every switch looks for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from segbench.layers.norm_relu_conv import NormReluConv
from segbench.layers.norms import frozen_statistics
from segbench.zoo.blocks import conv_norm_relu
from segbench.zoo.residual import BasicBlock

CLASSES = 3
SIZE = (24, 32)


class Tiny(nn.Module):
    """A stem, three residual blocks, dropout, a pre-activated block and a classifier."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm_relu(3, 8), *conv_norm_relu(8, 8))
        self.body = nn.Sequential(BasicBlock(8, 8), BasicBlock(8, 8), BasicBlock(8, 8), nn.Dropout(dropout))
        self.exit = nn.ModuleList([NormReluConv(8, 8), nn.Conv2d(8, CLASSES, 1)])

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.body(self.stem(images))
        for layer in self.exit:
            maps = layer(maps)
        return maps


def tiny(dropout: float = 0.0, dtype: torch.dtype = torch.float64) -> Tiny:
    """The same weights at each call, norms' weights away from 1 and some of them negative."""
    torch.manual_seed(0)
    network = Tiny(dropout).to(dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.0, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


def images(network: nn.Module, count: int = 2) -> Tensor:
    dtype = next(network.parameters()).dtype
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1)).to(dtype)


def gradient(network: nn.Module, loss: Callable[[Tensor], Tensor] = lambda scores: scores.sin().sum()) -> Tensor:
    """Of all parameters end to end, with the same random numbers at each call; running statistics stay."""
    with torch.random.fork_rng(), frozen_statistics(network):
        torch.manual_seed(2)
        found = torch.autograd.grad(loss(network(images(network))), list(network.parameters()), allow_unused=True)
    return torch.cat([g.flatten() for g in found if g is not None])
