"""The choice of modules against all subsets of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, product

from hypothesis import given
from hypothesis import strategies as st

from segbench.memory_optimisations.budget import Unit, cheapest

chains = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=7)


def units_of(chain: Sequence[tuple[int, int]]) -> list[Unit]:
    return [Unit(str(number), frees, cost) for number, (frees, cost) in enumerate(chain)]


def enough(units: Sequence[Unit], names: Sequence[str], needs: Sequence[int]) -> bool:
    freed = accumulate((unit.frees if unit.name in names else 0 for unit in units), initial=0)
    return all(have >= need for have, need in zip(freed, needs, strict=True))


def subsets(units: Sequence[Unit]) -> Iterator[tuple[str, ...]]:
    for taken in product([False, True], repeat=len(units)):
        yield tuple(unit.name for unit, take in zip(units, taken, strict=True) if take)


def cost(units: Sequence[Unit], names: Sequence[str]) -> int:
    return sum(unit.cost for unit in units if unit.name in names)


def least_cost(units: Sequence[Unit], needs: Sequence[int]) -> int | None:
    return min((cost(units, names) for names in subsets(units) if enough(units, names, needs)), default=None)


@given(chains, st.data())
def test_without_rounding_no_subset_is_cheaper(chain: list[tuple[int, int]], data: st.DataObject) -> None:
    units = units_of(chain)
    needs = [0, *(data.draw(st.integers(0, 60)) for _ in units)]
    found = cheapest(units, needs)
    assert (None if found is None else cost(units, found)) == least_cost(units, needs)
    assert found is None or enough(units, found, needs)


@given(chains, st.integers(1, 12), st.data())
def test_a_grid_keeps_the_budget_and_costs_no_more_than_needs_a_step_larger_for_each_unit(
    chain: list[tuple[int, int]], steps: int, data: st.DataObject
) -> None:
    units = units_of(chain)
    needs = [0, *(data.draw(st.integers(0, 60)) for _ in units)]
    found = cheapest(units, needs, steps)
    assert found is None or enough(units, found, needs)
    grid = max(1, sum(unit.frees for unit in units) // steps)
    bound = least_cost(units, [need + number * (grid - 1) if need else 0 for number, need in enumerate(needs)])
    if bound is not None:
        assert found is not None and cost(units, found) <= bound


def test_of_equal_layers_the_cheaper_ones_are_taken() -> None:
    units = [Unit("a", 10, 3), Unit("b", 10, 1), Unit("c", 10, 2)]
    assert cheapest(units, [0, 0, 0, 20]) == ("b", "c")


def test_what_is_needed_early_is_freed_early() -> None:
    units = [Unit("a", 10, 9), Unit("b", 10, 1)]
    assert cheapest(units, [0, 10, 0]) == ("a",)
    assert cheapest(units, [0, 0, 10]) == ("b",)
    assert cheapest(units, [5, 0, 0]) is None
