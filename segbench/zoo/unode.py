"""U-Node: a U-Net whose convolution blocks are ODEs (Pinckaers and Litjens, arXiv 1910.10470, figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import resize, size_of
from segbench.zoo.map_ode import MapODE, TimeConv, answers_at


class UNodeField(nn.Module):
    """f of one level: twice instance norm, 3x3 convolution that also reads t, leaky ReLU; it ends with the activation.

    Args:
        channels: in and out.
        norm_first: False reproduces the released code, which computes the first norm and does not use it.
    """

    def __init__(self, channels: int, norm_first: bool = True) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.first, self.second = TimeConv(channels), TimeConv(channels)

    def forward(self, time: float | Tensor, maps: Tensor) -> Tensor:
        """`(N, channels, H, W)` -> its derivative; H and W not both 1, where instance norm has no variance."""
        if self.norm_first:
            maps = functional.instance_norm(maps)
        maps = functional.leaky_relu(self.first.at(time, maps))
        return functional.leaky_relu(self.second.at(time, functional.instance_norm(maps)))


class UNode(nn.Module):
    """Five levels, nine ODE blocks, and no other 3x3 convolution: levels only change width, by 1x1 convolutions.

    Down: the ODE's result is the level's skip; a 1x1 convolution doubles the width and the map is halved bilinearly.
    Up: resized bilinearly to the skip's size, concatenated with it, and brought to the level's width by a 1x1
    convolution, then the next ODE. Leaky ReLU after each 1x1 convolution. Solved by dopri5 with tolerance 1e-3 and the
    adjoint method, as in the authors' notebook.

    2,087 thousand parameters at width 16 and 2 classes, the authors' network. SegNode's table 1 has an enlarged one
    of unstated size. Ours: softmax classes, halving odd sizes upwards, and PyTorch's initial weights.

    Args:
        classes: of the logits.
        width: of the first level, doubled at each of the others.
        levels: with the bottom one.
        norm_first: see `UNodeField`.
        solver, gradient, steps, t_end, rtol, atol: of every block, see `segbench.ode.block.ODEBlock`.
    """

    def __init__(
        self,
        classes: int = 11,
        width: int = 48,
        levels: int = 5,
        norm_first: bool = True,
        solver: str = "dopri5",
        gradient: str = "adjoint",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]

        def ode(channels: int) -> MapODE:
            field = UNodeField(channels, norm_first)
            return MapODE(field, solver=solver, gradient=gradient, steps=steps, t_end=t_end, rtol=rtol, atol=atol)

        self.t_end = t_end
        rising = list(pairwise(reversed(widths)))
        self.widen = nn.ModuleList(_pointwise(a, b) for a, b in pairwise([3, *widths]))
        self.encoder = nn.ModuleList(ode(channels) for channels in widths)
        self.narrow = nn.ModuleList(_pointwise(below + own, own) for below, own in rising)
        self.decoder = nn.ModuleList(ode(own) for _, own in rising)
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)`."""
        skips = [self.encoder[0](self.widen[0](images))]
        for widen, level in zip(self.widen[1:], self.encoder[1:], strict=True):
            skips.append(level(_halved(widen(skips[-1]))))
        maps = skips.pop()
        for narrow, level in zip(self.narrow, self.decoder, strict=True):
            skip = skips.pop()
            maps = level(narrow(torch.cat([resize(maps, size_of(skip)), skip], dim=1)))
        logits: Tensor = self.classifier(maps)
        return logits

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits where all blocks end at each of `times`."""
        return answers_at(self, images, times)


def _pointwise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.LeakyReLU(inplace=True))


def _halved(maps: Tensor) -> Tensor:
    height, width = size_of(maps)
    return resize(maps, ((height + 1) // 2, (width + 1) // 2))
