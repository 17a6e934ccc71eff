"""The Pareto front: no network on it is dominated, every other one is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segbench.present.page.pareto import ParetoAxis, ParetoPoint, ParetoValue, pareto_front

COST = ParetoAxis("c", "memory", "", "byte", "lower")
WORTH = ParetoAxis("w", "mIoU", "", "fraction", "higher")


def spots(places: list[tuple[float, float]]) -> list[ParetoPoint]:
    return [ParetoPoint(str(n), {"c": ParetoValue(x, ""), "w": ParetoValue(y, "")}) for n, (x, y) in enumerate(places)]


def test_less_memory_and_more_accuracy_beat() -> None:
    found = pareto_front(spots([(1, 0.5), (2, 0.6), (2, 0.5), (3, 0.6)]), COST, WORTH)
    assert [spot.network for spot in found] == ["0", "1"]


def test_a_network_without_one_of_the_two_takes_no_part() -> None:
    assert pareto_front([ParetoPoint("half", {"c": ParetoValue(1, "")})], COST, WORTH) == []


def test_equals_stay_together() -> None:
    assert len(pareto_front(spots([(1, 0.5), (1, 0.5)]), COST, WORTH)) == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_every_network_is_on_the_front_or_dominated_by_one_that_is(places: list[tuple[int, int]]) -> None:
    everything = spots([(float(x), float(y)) for x, y in places])
    best = pareto_front(everything, COST, WORTH)
    kept = [(spot.values["c"].value, spot.values["w"].value) for spot in best]
    assert kept == sorted(kept, key=lambda place: place[0])
    for spot in everything:
        x, y = spot.values["c"].value, spot.values["w"].value
        assert ((x, y) in kept) != any(a <= x and b >= y and (a, b) != (x, y) for a, b in kept)
