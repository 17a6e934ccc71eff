"""Entries of which nothing can be made are found by halves, and a fault of ours is no damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from segbench.records.damaged import made_of_readable
from segbench.records.ledger import Entry

MakeEntry = Callable[..., Entry]


def test_what_is_left_is_made_without_the_damaged_each_of_which_is_named(make_entry: MakeEntry) -> None:
    entries = [make_entry(name) for name in ("a", "bad", "c", "d", "worse")]

    def names(kept: Sequence[Entry]) -> list[str]:
        if any(entry.model in ("bad", "worse") for entry in kept):
            raise KeyError("line")
        return [entry.model for entry in kept]

    told: list[str] = []
    assert made_of_readable(entries, names, told.append) == ["a", "c", "d"]
    assert [sentence.partition(" (")[0] for sentence in told] == ["memory of bad", "memory of worse"]
    assert all("(KeyError: 'line'; another version's" in sentence for sentence in told)


def test_a_fault_that_no_entry_has_alone_is_raised(make_entry: MakeEntry) -> None:
    def pairs(kept: Sequence[Entry]) -> None:
        if len(kept) > 1:
            raise TypeError("ours")

    with pytest.raises(TypeError, match="ours"):
        made_of_readable([make_entry("a"), make_entry("b")], pairs, pytest.fail)
