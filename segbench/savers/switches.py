"""The memory-saving switches by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.savers.checkpoint import checkpoint_modules
from segbench.savers.thin import thin


@dataclass(frozen=True)
class Switch:
    """A way to save memory in training that works on any network.

    Attributes:
        apply: rewrites a network in place and says how many places it changed.
        exact: the gradient stays the same, up to rounding.
        price: what it costs.
        summary: what it does, for help and reports.
    """

    apply: Callable[[nn.Module], int]
    exact: bool
    price: str
    summary: str


SWITCHES = {
    "thin": Switch(thin, True, "5 to 10 % time", "norm, ReLU and convolution keep one tensor instead of two"),
    "checkpoint": Switch(
        lambda network: len(checkpoint_modules(network)),
        True,
        "one more forward pass",
        "each module keeps its input only and runs again in the backward pass",
    ),
}
"""In the order in which they are applied, whatever the order in which they are named."""


def apply_switches(network: nn.Module, names: Iterable[str]) -> dict[str, int]:
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
    changed = {name: switch.apply(network) for name, switch in SWITCHES.items() if name in wanted}
    for name, count in changed.items():
        if not count:
            raise UserError(
                f"switch {name!r} finds nothing to change in {type(network).__name__}; it works on nn.Sequential layers"
                " and on repeated modules of the network's own"
            )
    return changed
