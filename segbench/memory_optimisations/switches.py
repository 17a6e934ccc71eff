"""The memory-saving switches by name: they save memory in training, and work on any network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.memory_optimisations.checkpoint import CHECKPOINT
from segbench.memory_optimisations.compress import COMPRESS
from segbench.memory_optimisations.half_precision import BFLOAT16, FLOAT16
from segbench.memory_optimisations.inplace_abn import INPLACE_ABN
from segbench.memory_optimisations.recompute import RECOMPUTE
from segbench.memory_optimisations.reversible import REVERSIBLE
from segbench.memory_optimisations.save_on_cpu import SAVE_ON_CPU
from segbench.memory_optimisations.switch import Switch

_TABLE = (INPLACE_ABN, REVERSIBLE, RECOMPUTE, CHECKPOINT, BFLOAT16, FLOAT16, SAVE_ON_CPU, COMPRESS)

SWITCHES: Mapping[str, Switch] = {switch.name: switch for switch in _TABLE}
"""Applied in this order, however named: what joins layers first, what wraps the whole network last."""


def apply_optimisations(network: nn.Module, written: Iterable[str]) -> dict[str, int]:
    """Applies switches to a network in place.

    Args:
        written: names, with a value behind a colon where a switch takes one: `checkpoint:sqrt`.

    Returns:
        How many places each changed, by name.

    Raises:
        UnknownName: no such switch.
        UserError: two switches that do not go together, a value that none takes, or nothing to change in this network.
    """
    values = _read(list(written))
    for one, other in combinations(values, 2):
        if other in SWITCHES[one].excludes or one in SWITCHES[other].excludes:
            raise UserError(f"switches {one!r} and {other!r} do not go together: both want the same tensors; take one")
    changed = {name: switch.apply(network, values[name]) for name, switch in SWITCHES.items() if name in values}
    for name, count in changed.items():
        if not count:
            raise UserError(
                f"switch {name!r} finds nothing to change in {type(network).__name__}; it works on "
                f"{SWITCHES[name].works_on}"
            )
    return changed


def is_exact(written: Iterable[str]) -> bool:
    """Whether gradients under these switches are those of the same network without them, up to rounding."""
    return all(SWITCHES[name].exact for name in _read(list(written)))


def lasting(written: Iterable[str]) -> list[str]:
    """Those that make another network, which its weights then belong to."""
    return [text for text in written if SWITCHES[text.partition(":")[0]].changes]


def changes_of(written: Iterable[str]) -> list[str]:
    """What these switches make of a network itself, as sentences."""
    return [f"{name}: {SWITCHES[name].changes}" for name in _read(list(written)) if SWITCHES[name].changes]


def _read(written: list[str]) -> dict[str, str]:
    """Name -> what stands behind its colon."""
    values: dict[str, str] = {}
    for text in written:
        name, _, value = text.partition(":")
        if name not in SWITCHES:
            raise UnknownName("memory optimisation", name, SWITCHES)
        if name in values and value != values[name]:
            raise UserError(f"switch {name!r} is given twice, as {values[name]!r} and as {value!r}; write it once")
        if value and not SWITCHES[name].values:
            raise UserError(f"switch {name!r} takes no value, and was given {value!r}; write it without a colon")
        values[name] = value
    return values
