from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.search.bracket import Bracket, Expectation, Outcome, find_bracket

SIZES = st.integers(1, 4096)


@dataclass
class Device:
    """A device on which sizes up to `limit` fit, using `fixed + each * size` bytes."""

    limit: int
    fixed: float = 500.0
    each: float = 100.0
    tells_bytes: bool = True
    tried: list[int] = field(default_factory=list)

    def __call__(self, size: int) -> Outcome:
        self.tried.append(size)
        if size > self.limit:
            return Outcome("does_not_fit", cause="out of memory")
        return Outcome("fits", bytes=int(self.fixed + self.each * size) if self.tells_bytes else None)

    @property
    def budget(self) -> int:
        return int(self.fixed + self.each * self.limit + self.each / 2)


def assert_proven(found: Bracket, device: Device) -> None:
    assert found.fits == (device.limit or None)
    assert found.fails_at == device.limit + 1
    assert found.proven
    assert device.limit == 0 or device.limit in device.tried
    assert device.limit + 1 in device.tried


@given(limit=st.integers(0, 4095), start=SIZES, tells_bytes=st.booleans())
def test_any_monotone_device_and_any_start_give_the_true_bracket_both_sides_tried(
    limit: int, start: int, tells_bytes: bool
) -> None:
    device = Device(limit, tells_bytes=tells_bytes)
    expected = Expectation(start, lambda size: 300.0 + 70.0 * size, device.budget)
    found = find_bracket(device, expected)
    assert_proven(found, device)
    assert len(set(device.tried)) == len(device.tried), "no size is tried twice"
    assert len(device.tried) <= 7 + 2 * math.log2(abs(limit - start) + 2) + math.log2(4096)


@given(limit=st.integers(1, 3000), error=st.floats(-0.1, 0.1))
def test_a_prediction_within_ten_percent_takes_at_most_four_tries(limit: int, error: float) -> None:
    start = max(1, round(limit * (1 + error)))
    if abs(start - limit) > 0.1 * limit:
        return
    device = Device(limit)
    expected = Expectation(start, lambda size: 1.07 * (device.fixed + device.each * size), device.budget)
    assert_proven(find_bracket(device, expected), device)
    assert len(device.tried) <= 4


def test_an_exact_prediction_takes_two_tries() -> None:
    device = Device(37)
    find_bracket(device, Expectation(37, lambda size: 500.0 + 100.0 * size, device.budget))
    assert device.tried == [37, 38]


@given(limit=st.integers(0, 4095))
def test_without_a_prediction_it_gallops_up_from_one_and_bisects(limit: int) -> None:
    device = Device(limit)
    assert_proven(find_bracket(device), device)
    assert device.tried[0] == 1
    assert len(device.tried) <= 3 + 2 * math.log2(limit + 1)


def test_if_nothing_fits_the_answer_is_that_one_does_not_and_what_it_needed() -> None:
    found = find_bracket(lambda size: Outcome("does_not_fit", bytes=40 * size), Expectation(16))
    assert found.fits is None
    assert found.fails_at == 1
    needed = found.outcome_at(1)
    assert needed is not None
    assert needed.bytes == 40


def test_the_end_of_the_search_is_tried_and_no_failure_is_invented() -> None:
    device = Device(10**6)
    found = find_bracket(device, most=100)
    assert found.fits == 100
    assert found.fails_at is None
    assert not found.proven
    assert max(device.tried) == 100


def test_a_crash_is_tried_once_more_and_is_not_taken_for_too_large() -> None:
    answers = {4: iter([Outcome("crashed"), Outcome("fits")])}
    device = Device(5)

    def probe(size: int) -> Outcome:
        return next(answers.get(size, iter(())), None) or device(size)

    found = find_bracket(probe, Expectation(4))
    assert (found.fits, found.fails_at) == (5, 6)


@pytest.mark.parametrize("verdict", ["crashed", "timed_out", "failed", "unsupported"])
def test_a_try_without_an_answer_ends_the_search_with_what_is_known(verdict: str) -> None:
    def probe(size: int) -> Outcome:
        return Outcome(verdict, cause="it went dark") if size > 8 else Outcome("fits")  # type: ignore[arg-type]

    found = find_bracket(probe, Expectation(7))
    assert found.fits is not None
    assert found.fits <= 8
    assert found.fails_at is None
    assert found.unanswered is not None
    assert found.unanswered.outcome.cause == "it went dark"
    assert len([item for item in found.tries if item.size == found.unanswered.size]) == (
        2 if verdict == "crashed" else 1
    )


@given(holes=st.sets(st.integers(1, 60)), limit=st.integers(0, 60), start=st.integers(1, 80))
def test_on_a_device_with_hiccups_both_sides_of_the_answer_were_still_tried(
    holes: set[int], limit: int, start: int
) -> None:
    def works(size: int) -> bool:
        return size <= limit and size not in holes

    found = find_bracket(lambda size: Outcome("fits" if works(size) else "does_not_fit"), Expectation(start))
    tried = {item.size: item.outcome.verdict for item in found.tries}
    assert found.proven
    assert found.fits is None or tried[found.fits] == "fits"
    assert tried[found.fails_at or 0] == "does_not_fit"


@given(limit=st.integers(1, 500), start=st.integers(1, 500), reading=st.integers(1, 10**6), slope=st.floats(0.01, 100))
def test_readings_that_mislead_cost_tries_but_never_the_answer(
    limit: int, start: int, reading: int, slope: float
) -> None:
    device = Device(limit)

    def probe(size: int) -> Outcome:
        found = device(size)
        return Outcome(found.verdict, bytes=reading)

    assert_proven(find_bracket(probe, Expectation(start, lambda size: 1 + slope * size, 5000)), device)
    assert len(device.tried) <= 30


@pytest.mark.parametrize("limit", [1, 7, 20, 37, 100, 300])
def test_a_prediction_20_percent_off_beats_bisecting_all_sizes(limit: int) -> None:
    device = Device(limit, tells_bytes=False)
    find_bracket(device, Expectation(max(1, round(limit * 1.2))))
    assert len(device.tried) < 12  # what bisecting 1..4096 takes


@given(limit=st.integers(0, 300), wrong=st.integers(1, 300), start=st.integers(1, 330))
def test_refusals_made_under_wrong_conditions_never_become_the_answer(limit: int, wrong: int, start: int) -> None:
    """Until something has fitted, everything from `wrong` on is refused."""
    learned: list[int] = []
    refused_wrongly: set[int] = set()

    def probe(size: int) -> Outcome:
        if size > limit or (size >= wrong and not learned):
            (refused_wrongly.discard if learned else refused_wrongly.add)(size)
            return Outcome("does_not_fit")
        learned.append(size)
        return Outcome("fits")

    found = find_bracket(probe, Expectation(start), doubts=lambda size: bool(learned) and size in refused_wrongly)
    if learned:
        assert (found.fits, found.fails_at) == (limit, limit + 1) and found.proven
    assert found.fits is None or found.fits <= limit


def test_a_refusal_that_stays_doubtful_is_tried_three_times_and_is_no_proof() -> None:
    device = Device(7)
    found = find_bracket(device, Expectation(8), doubts=lambda _: True)
    assert (found.fits, found.fails_at) == (7, 8)
    assert device.tried.count(8) == 3
    assert not found.proven
