"""The memory-saving switches by name: they save memory in training, work on any network, and keep gradients exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.memory_optimisations.checkpoint import checkpoint_modules
from segbench.memory_optimisations.recompute import recompute_norms

SWITCHES: dict[str, Callable[[nn.Module], int]] = {
    "recompute": recompute_norms,
    "checkpoint": lambda network: len(checkpoint_modules(network)),
}
"""Each rewrites a network in place and says how many places it changed; applied in this order, however named."""


def apply_optimisations(network: nn.Module, names: Iterable[str]) -> dict[str, int]:
    """Applies switches to a network in place.

    Returns:
        How many places each changed.

    Raises:
        UnknownName: no such switch.
        UserError: a switch finds nothing to change in this network.
    """
    wanted = set(names)
    for name in sorted(wanted - set(SWITCHES)):
        raise UnknownName("memory switch", name, SWITCHES)
    changed = {name: switch(network) for name, switch in SWITCHES.items() if name in wanted}
    for name, count in changed.items():
        if not count:
            raise UserError(
                f"switch {name!r} finds nothing to change in {type(network).__name__}; it works on nn.Sequential layers"
                " and on repeated modules of the network's own"
            )
    return changed
