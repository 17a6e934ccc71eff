"""Layers that run one after another, wherever an `nn.Sequential` says so: what switches that join layers look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn


def sequences_of(module: nn.Module, rewritten: type[nn.Module]) -> Iterator[nn.Sequential]:
    """Outermost plain sequences, those inside of their other layers, and those that were rewritten already.

    Args:
        rewritten: what the caller makes of a sequence.
    """
    inner: Sequence[nn.Module] = list(module.children())
    if isinstance(module, nn.Sequential) and (is_plain(module) or isinstance(module, rewritten)):
        yield module
        inner = layers_of(module)
    for child in inner:
        yield from sequences_of(child, rewritten)


def layers_of(sequence: nn.Sequential) -> list[nn.Module]:
    """In the order in which they run, those of nested plain sequences in the place of these."""
    layers: list[nn.Module] = []
    for layer in sequence:
        layers += layers_of(layer) if isinstance(layer, nn.Sequential) and is_plain(layer) else [layer]
    return layers


def is_plain(sequence: nn.Sequential) -> bool:
    """Whether nothing happens but one layer after another."""
    return type(sequence).forward is nn.Sequential.forward and not is_watched(sequence)


def is_watched(module: nn.Module) -> bool:
    """Whether somebody's hook expects the module to be called."""
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def overwrites_input(layer: nn.Module) -> bool:
    """Whether a layer works in place, or a sequence begins with one that does."""
    while isinstance(layer, nn.Sequential) and len(layer):
        layer = layer[0]
    return bool(getattr(layer, "inplace", False))
