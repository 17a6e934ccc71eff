"""Which modules to recompute so that a training step keeps within a budget, for the fewest operations more.

A network is a chain of units in the order in which they run; the backward pass meets them the other way round. While
unit k is computed or differentiated, whatever the recomputed ones among the units before it would keep is not there.
So the step keeps within its budget if, for every k, the units chosen among the first k free what is needed then.
Dynamic programming over the chain: of all choices among the first k units only those are followed that no other one
beats in bytes freed and in cost. Without rounding the choice is the cheapest there is. Bytes freed are rounded down to
a grid, so that there are few different sums; then the choice keeps the budget all the same, and is no dearer than the
cheapest one for needs that are larger by a step of the grid for each unit. Tests compare both statements with all
subsets.
Chains of equal layers with every need alike are Chen et al.'s (2016) case; the formulation for any chain is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GRID_STEPS = 4096
"""Of the grid over all that can be freed."""


@dataclass(frozen=True)
class Unit:
    """A module that may be recomputed.

    Attributes:
        frees: bytes that then are not kept for the backward pass.
        cost: of running it once more, in any unit.
    """

    name: str
    frees: int
    cost: int


@dataclass(frozen=True)
class _Choice:
    freed: int = 0
    cost: int = 0
    names: tuple[str, ...] = ()


def cheapest(units: Sequence[Unit], needs: Sequence[int], steps: int = GRID_STEPS) -> tuple[str, ...] | None:
    """Names of the units to recompute, in order; None if not even all of them free enough.

    Args:
        units: in the order of the forward pass.
        needs: bytes, one more than units: `needs[k]` must be freed by units before number k.
        steps: of the grid.
    """
    grid = max(1, sum(unit.frees for unit in units) // steps)
    choices = [_Choice()]
    for number, need in enumerate(needs):
        choices = [choice for choice in choices if choice.freed >= need]
        if number < len(units):
            choices = _best([*choices, *(_with(choice, units[number], grid) for choice in choices)])
    return choices[0].names if choices else None


def _with(choice: _Choice, unit: Unit, grid: int) -> _Choice:
    return _Choice(choice.freed + unit.frees // grid * grid, choice.cost + unit.cost, (*choice.names, unit.name))


def _best(choices: Sequence[_Choice]) -> list[_Choice]:
    """Those that free more than every cheaper one, the cheapest first."""
    kept: list[_Choice] = []
    for choice in sorted(choices, key=lambda choice: (choice.cost, -choice.freed)):
        if not kept or choice.freed > kept[-1].freed:
            kept.append(choice)
    return kept
