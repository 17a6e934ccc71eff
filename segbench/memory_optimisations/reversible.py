"""Switch `reversible`: residual blocks in a row keep the last two states alone, and go back from there.

Blocks h <- relu(h + F(h)) of one width become (x, y) <- (y, x + F(y)), two of which are RevNet's block
y1 = x1 + F(x2), y2 = x2 + G(y1); each is undone by x = y' - F(y). Memory does not grow with the number of blocks, for
one more evaluation of each F. It is another network: a state is two copies of the maps that a chain gets, the ReLU
after each sum goes, since it cannot be undone, and the chain ends with the ReLU of the mean of the two. F, its
parameters and their names stay, where RevNet's blocks have half of the width; that choice is ours.
Gradients are exact for that network up to the rounding of what is computed back.
Source: Gomez, Ren, Urtasun and Grosse 2017, "The Reversible Residual Network", equations 6 to 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from segbench.layers.norms import frozen_statistics
from segbench.layers.precision import Precision
from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.random_state import RandomState
from segbench.memory_optimisations.sequences import is_plain, is_watched
from segbench.memory_optimisations.switch import Saving, Switch
from segbench.zoo.residual import ResidualBlock


class ReversibleChains(Saving, nn.Sequential):
    """Before an `nn.Sequential`: its residual blocks in a row as reversible chains, its other layers as they are."""

    def forward(self, input: Tensor) -> Tensor:
        for layers in _chains_and_others(self):
            if len(layers) > 1:
                input = reversible_chain([block.body for block in layers], input, keeps_end=self.saving)  # type: ignore[misc]
            else:
                input = layers[0](input)
        return input


def reversible_chain(bodies: Sequence[nn.Module], maps: Tensor, *, keeps_end: bool) -> Tensor:
    """`relu((x + y) / 2)` after `(x, y) <- (y, x + F(y))` for every F, from x = y = `maps` `(N, C, H, W)`.

    Args:
        keeps_end: as one node that keeps its two last states, where gradients are wanted.
    """
    if keeps_end and torch.is_grad_enabled():
        parameters = [parameter for body in bodies for parameter in body.parameters()]
        states: tuple[Tensor, Tensor] = _Chain.apply(bodies, maps, *parameters)  # type: ignore[no-untyped-call]
    else:
        states = _through(bodies, maps)
    return functional.relu((states[0] + states[1]).div_(2), inplace=True)


def _through(bodies: Sequence[nn.Module], maps: Tensor) -> tuple[Tensor, Tensor]:
    older, newer = maps, maps
    for body in bodies:
        older, newer = newer, older + body(newer)
    return older, newer


class _Chain(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, bodies: Sequence[nn.Module], maps: Tensor, *_parameters: nn.Parameter
    ) -> tuple[Tensor, Tensor]:
        ctx.bodies, ctx.precision = bodies, Precision.around(maps)
        ctx.random = []
        older, newer = maps, maps
        with ctx.precision.reopened(cache=False):
            for body in bodies:
                ctx.random.append(RandomState.before(body, maps.device))
                older, newer = newer, older + body(newer)
        ctx.save_for_backward(older, newer)
        return older, newer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_older: Tensor, of_newer: Tensor) -> tuple[Any, ...]:
        older, newer = ctx.saved_tensors
        gradients: list[Tensor | None] = []
        for body, random in zip(reversed(ctx.bodies), reversed(ctx.random), strict=True):
            parameters = [parameter for parameter in body.parameters() if parameter.requires_grad]
            source = older.detach().requires_grad_()
            with torch.enable_grad(), ctx.precision.reopened(), frozen_statistics(body), random.again():
                change = body(source)
            older, newer = newer - change.detach(), older
            inner, *found = torch.autograd.grad(change, [source, *parameters], of_newer, allow_unused=True)
            of_older, of_newer = of_newer, of_older if inner is None else of_older + inner
            known = dict(zip(parameters, found, strict=True))
            gradients[:0] = [known.get(parameter) for parameter in body.parameters()]
        return None, of_older + of_newer, *gradients


def _chains_and_others(sequence: nn.Sequential) -> Iterator[list[nn.Module]]:
    """Its layers in order: two or more reversible blocks in a row together, all others one by one."""
    for chained, group in groupby(sequence, _is_reversible):
        layers = list(group)
        yield from [layers] if chained else ([layer] for layer in layers)


def _is_reversible(layer: nn.Module) -> bool:
    """Whether a layer is a residual block whose input is added as it is."""
    known = isinstance(layer, ResidualBlock) and type(layer).forward is ResidualBlock.forward
    return known and isinstance(layer.shortcut, nn.Identity) and not is_watched(layer)


def _apply(network: nn.Module, _value: str) -> int:
    sequences = [module for module in network.modules() if isinstance(module, nn.Sequential) and _is_ours(module)]
    found = {sequence: sum(len(layers) > 1 for layers in _chains_and_others(sequence)) for sequence in sequences}
    for sequence, chains in found.items():
        if chains:
            mix_in(ReversibleChains, sequence)
    return sum(found.values())


def _is_ours(sequence: nn.Sequential) -> bool:
    return is_plain(sequence) or isinstance(sequence, ReversibleChains)


REVERSIBLE = Switch(
    "reversible",
    _apply,
    exact=True,
    works_on="two or more residual blocks of one width in a row in nn.Sequential",
    changes="chains of residual blocks become reversible ones of the same weights, without the ReLU after each sum",
    excludes=frozenset({"bf16", "fp16", "compress"}),
)
