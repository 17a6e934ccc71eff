"""Merging ledgers: every entry once, in whatever order, and one key means one thing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.merging import clashes, identity, kept_apart, merged

MACHINE = Environment("cpu", "CPU", "2.13", "3.11", "Linux", "host-a", threads=1)
OTHER = replace(MACHINE, host="host-b")


def entry(number: int = 0, environment: Environment | None = MACHINE, key: str | None = None) -> Entry:
    case = Case("memory", "unet", batch_size=number + 1)
    finished = f"2026-11-21T10:{number:02d}:00+00:00"
    return Entry("r", key or f"k{number}", "unet", "", {}, case, environment, "ok", None, (), 1.0, finished)


ledgers = st.lists(st.builds(entry, st.integers(0, 5), st.sampled_from([MACHINE, OTHER, None])), max_size=6)


@given(ledgers, ledgers, ledgers)
def test_merging_is_associative_and_commutative(a: list[Entry], b: list[Entry], c: list[Entry]) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, b, a)


@given(ledgers, ledgers)
def test_merging_again_adds_nothing(a: list[Entry], b: list[Entry]) -> None:
    once = merged(a, b)
    assert merged(once, a) == merged(once, once) == once
    assert len({identity(item) for item in once}) == len(once)


@given(ledgers)
def test_kept_apart_no_key_has_two_settings(a: list[Entry]) -> None:
    everything = merged(a)
    apart = kept_apart(everything)
    assert clashes(apart) == []
    assert [identity(item) for item in apart] == [identity(item) for item in everything]
    assert merged(everything, apart) == sorted(apart, key=lambda item: (item.finished, identity(item)))


def test_the_oldest_comes_first() -> None:
    assert [item.key for item in merged([entry(3), entry(1)], [entry(2)])] == ["k1", "k2", "k3"]


@pytest.mark.parametrize(
    ("setting", "value"), [("host", "b"), ("driver", "580"), ("threads", 2), ("switches", {"tf32_matmul": True})]
)
def test_one_key_under_two_settings_clashes_and_names_it(setting: str, value: object) -> None:
    (clash,) = clashes([entry(), entry(environment=replace(MACHINE, **{setting: value}))])
    assert (clash.setting, clash.model) == (setting, "unet")
    assert setting in str(clash)


def test_different_keys_may_come_from_different_machines() -> None:
    assert clashes([entry(0), entry(1, OTHER)]) == []


def test_a_cell_that_died_before_it_could_tell_clashes_with_nothing() -> None:
    assert clashes([entry(0, None), entry(0)]) == []
