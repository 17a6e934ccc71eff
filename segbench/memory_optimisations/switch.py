"""What a memory-saving switch declares, and how its modules are asked to do without it for once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from segbench.layers.norm_relu_conv import NormReluConv


@dataclass(frozen=True)
class Switch:
    """One way to save memory in training.

    Attributes:
        name: behind the network's plus.
        apply: rewrites a network in place, given what stands behind the colon (empty if nothing does), and says how
            many places it changed; raises `UserError` for a value it does not know.
        exact: its gradients are those of the same network without it, up to rounding.
        changes: what becomes of the network itself; empty where its outputs stay as they are.
        works_on: what it looks for, for the sentence that says it found nothing.
        values: what may stand behind the colon; empty where nothing may.
        excludes: names of the switches beside which it makes no sense.
    """

    name: str
    apply: Callable[[nn.Module, str], int]
    exact: bool
    works_on: str
    changes: str = ""
    values: str = ""
    excludes: frozenset[str] = frozenset()


class Saving(nn.Module):
    """Before a module's class: saves memory while `saving`; else computes the same and lets autograd keep it all."""

    saving: bool = True


@contextmanager
def without_savings(network: nn.Module) -> Iterator[None]:
    """The same network, differentiated by plain back-propagation, while this is open: what gradients are judged by."""
    found = [module for module in network.modules() if isinstance(module, Saving) and module.saving]
    blocks = [module for module in network.modules() if isinstance(module, NormReluConv) and module.recompute]
    _set(found, blocks, False)
    try:
        yield
    finally:
        _set(found, blocks, True)


def _set(found: list[Saving], blocks: list[NormReluConv], saving: bool) -> None:
    for module in found:
        module.saving = saving
    for block in blocks:
        block.recompute = saving
