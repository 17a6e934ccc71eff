"""Switch `checkpoint`: keep only what enters some of a network's modules, and run them again in the backward pass.

`checkpoint` alone takes the network's own repeated modules; `checkpoint:PATTERN,...` the modules of these names;
`checkpoint:sqrt` cuts every chain of n layers into about sqrt(n) segments; `checkpoint:budget=8GB` is settled for a
case, by its traced memory, before the network is built (`segbench.tasks.budget`).
Gradients are exact, at most one more forward pass (about a third more time). Running statistics of batch norms are
updated once, as without it: torch's own checkpoint updates them twice. Dropout drops the same again.
Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost". HRNetV2 with this is the rival that SegNode
has to beat: it trains in 0.29 of its plain memory (predicted, 480x360, batch 24), where the paper's SegNode took 0.43.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from segbench.cards.spec import BUDGET
from segbench.errors import UnknownName, UserError
from segbench.layers.norms import frozen_statistics
from segbench.layers.stage import at_stage, current_stage
from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.random_state import draws
from segbench.memory_optimisations.sequences import is_plain, overwrites_input
from segbench.memory_optimisations.switch import Saving, Switch
from segbench.ode.block import ODEBlock


def checkpoint_modules(network: nn.Module) -> list[str]:
    """Rewrites the network in place; parameters and names in the state dict stay.

    Returns:
        The names of the modules that are checkpointed now, as `repeated_modules` finds them.
    """
    return _checkpoint(list(repeated_modules(network)))


def checkpoint_named(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    """As `checkpoint_modules`, for the outermost modules that a pattern names: `stage4`, `stage?.*`.

    Raises:
        UnknownName: a pattern that names no module; near names are suggested.
        UserError: a pattern that names lists of modules only, which are never called, or a solve that recomputes.
    """
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        found = {name: module for name, module in network.named_modules() if name and fnmatchcase(name, pattern)}
        if not found:
            raise UnknownName(f"module of {type(network).__name__}", pattern, _names_to_choose(network, pattern))
        called = {
            name: module for name, module in found.items() if not isinstance(module, nn.ModuleList | nn.ModuleDict)
        }
        chosen |= called
        if not called:
            raise UserError(f"{pattern!r} names lists of modules, which are never called; name what is in them")
    outermost = [(name, module) for name, module in chosen.items() if not any(map(chosen.get, _around(name)))]
    for name, module in outermost:
        if _keeps_little(module):
            raise UserError(
                f"{name} holds an ODE solve whose gradient method recomputes already; checkpoint modules of f"
            )
    return _checkpoint(outermost)


def checkpoint_segments(network: nn.Module) -> int:
    """Cuts every outermost chain of n >= 2 layers (`nn.Sequential`) into about sqrt(n) segments.

    Returns:
        How many segments are checkpointed now.
    """
    chains = list(_chains(network))
    for chain in chains:
        mix_in(CheckpointedSegments, chain)
    return sum(len(_bounds(list(chain))) - 1 for chain in chains)


class Checkpointed(Saving):
    """Before a module: its `forward` under torch's checkpoint, where gradients are wanted."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        run = super().forward
        if not torch.is_grad_enabled() or not self.saving:
            return run(*inputs, **named)
        return _checkpointed(run, [self], *inputs, **named)


class CheckpointedSegments(Saving, nn.Sequential):
    """Before an `nn.Sequential`: its layers in about sqrt(n) segments, each under torch's checkpoint."""

    def forward(self, input: Any) -> Any:
        layers = list(self)
        for start, end in pairwise(_bounds(layers)):
            run = partial(_in_turn, layers[start:end])
            saves = torch.is_grad_enabled() and self.saving
            input = _checkpointed(run, layers[start:end], input) if saves else run(input)
        return input


def _in_turn(layers: Sequence[nn.Module], input: Any) -> Any:
    for layer in layers:
        input = layer(input)
    return input


def _checkpointed(run: Callable[..., Any], parts: Sequence[nn.Module], *inputs: Any, **named: Any) -> Any:
    index = current_stage().index

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _repeating(parts, index)

    random = any(map(draws, parts))
    return checkpoint(run, *inputs, use_reentrant=False, preserve_rng_state=random, context_fn=contexts, **named)


@contextmanager
def _repeating(parts: Sequence[nn.Module], index: int) -> Iterator[None]:
    with at_stage(index), frozen_statistics(*parts):
        yield


def _checkpoint(chosen: Sequence[tuple[str, nn.Module]]) -> list[str]:
    for _, module in chosen:
        mix_in(Checkpointed, module)
    return [name for name, _ in chosen]


def _bounds(layers: Sequence[nn.Module]) -> list[int]:
    """Where the segments of a chain begin, and its end: round(sqrt(n)) of nearly equal lengths, where that is possible.

    None begins with a layer that overwrites its input, which is what a checkpoint keeps.
    """
    count = len(layers)
    segments = max(1, round(math.sqrt(count)))
    wished = [count * number // segments for number in range(1, segments)]
    places = [
        next((place for place in range(wish, count) if not overwrites_input(layers[place])), 0) for wish in wished
    ]
    return [*sorted({0, *places}), count]


def _chains(module: nn.Module) -> Iterator[nn.Sequential]:
    for child in module.children():
        chain = isinstance(child, nn.Sequential) and len(child) > 1 and is_plain(child)
        if chain and not overwrites_input(child) and not any(isinstance(inner, ODEBlock) for inner in child.modules()):
            yield child  # type: ignore[misc]
        else:
            yield from _chains(child)


def repeated_modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(name, module) of what `checkpoint` takes.

    A network's modules are taken to be the outermost instances of classes of its own that it repeats side by side
    (HRNet's exchange modules, ResNet's blocks), and the outermost `nn.Sequential`s that hold none of these.
    An ODE block has gradient methods of its own, and where they keep little no module with one inside is repeated
    whole; its f is searched like the rest.
    """
    return _units(network, "", _repeated_classes(network))


def _repeated_classes(network: nn.Module) -> set[type[nn.Module]]:
    """Classes that are not torch's, have layers of their own, and of which some module has two or more children."""
    found = set[type[nn.Module]]()
    for parent in network.modules():
        kinds = Counter(type(child) for child in parent.children() if any(child.children()))
        found |= {kind for kind, count in kinds.items() if count > 1 and not _is_torchs(kind)}
    return found - {ODEBlock}


def _units(module: nn.Module, name: str, repeated: set[type[nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    for key, child in module.named_children():
        place = f"{name}.{key}" if name else key
        unit = type(child) in repeated or (isinstance(child, nn.Sequential) and _is_leaf(child, repeated))
        if unit and not _keeps_little(child):
            yield place, child
        else:
            yield from _units(child, place, repeated)


def _is_leaf(sequence: nn.Sequential, repeated: set[type[nn.Module]]) -> bool:
    """Whether a sequence of at least two layers holds no module that is checkpointed for itself."""
    inside = list(sequence.modules())
    if len(sequence) < 2 or overwrites_input(sequence):
        return False
    return not any(type(module) in repeated or isinstance(module, ODEBlock) for module in inside)


def _keeps_little(module: nn.Module) -> bool:
    """Whether there is a solve inside whose gradient recomputes by itself: repeating it saves little and costs all."""
    return any(isinstance(inner, ODEBlock) and inner.gradient != "backprop" for inner in module.modules())


def _is_torchs(kind: type[nn.Module]) -> bool:
    return kind.__module__.startswith("torch.")


def _around(name: str) -> Iterator[str]:
    """The names of the modules in which one of this name lies, itself left out."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _names_to_choose(network: nn.Module, pattern: str) -> list[str]:
    """Of as many levels as the pattern has, for a list that can be read."""
    levels = pattern.count(".") + 1
    return [name for name, _ in network.named_modules() if name and name.count(".") < levels]


def _apply(network: nn.Module, value: str) -> int:
    if f"checkpoint:{value}".startswith(BUDGET):
        raise UserError(f"checkpoint:{value} is settled for a case of a command; name modules instead")
    if not value:
        return len(checkpoint_modules(network))
    return checkpoint_segments(network) if value == "sqrt" else len(checkpoint_named(network, value.split(",")))


CHECKPOINT = Switch(
    "checkpoint",
    _apply,
    exact=True,
    works_on="repeated modules of the network's own, and nn.Sequential",
    values="sqrt, budget=8GB, budget=50%, or names of modules such as stage4,head.*",
)
