"""Entries whose lines are whole and whose details are not: found by what cannot be made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from segbench.errors import UserError
from segbench.records.ledger import Entry

_DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a detail of another kind than the writer's raises."""

_T = TypeVar("_T")


def made_of_readable(
    entries: Sequence[Entry], make: Callable[[Sequence[Entry]], _T], tell: Callable[[str], object]
) -> _T:
    """What is made of the entries, without those of which it cannot be made.

    Args:
        make: of entries in their order, of any number of them.
        tell: hears one sentence for each entry that is left out.

    Raises:
        UserError: none is left.
    """
    try:
        return make(entries)
    except _DAMAGE:
        damaged = _damaged(entries, make)
        if not damaged:
            raise  # each of them can be read: the fault is ours
    for entry, error in damaged:
        tell(
            f"{entry.case.task} of {entry.model} (run {entry.run}): its details are none that this segbench knows "
            f"({type(error).__name__}: {error}; another version's, or edited?); skipped"
        )
    if len(damaged) == len(entries):
        raise UserError("this segbench understands the details of no entry; ask the version that wrote them")
    skipped = [entry for entry, _ in damaged]
    return make([entry for entry in entries if entry not in skipped])


def _damaged(entries: Sequence[Entry], make: Callable[[Sequence[Entry]], object]) -> list[tuple[Entry, Exception]]:
    """By halves: of a long ledger most can be read together."""
    try:
        make(entries)
    except _DAMAGE as error:
        if len(entries) == 1:
            return [(entries[0], error)]
        half = len(entries) // 2
        return [*_damaged(entries[:half], make), *_damaged(entries[half:], make)]
    return []
