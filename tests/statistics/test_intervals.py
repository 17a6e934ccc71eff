"""Intervals of medians: known distributions, coverage, invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.statistics.intervals import estimate_median, percentiles

times = st.floats(1e-6, 1e3)
rounds_of_times = st.lists(st.lists(times, min_size=1, max_size=6), min_size=2, max_size=6)


def autocorrelated(rng: np.random.Generator, rounds: int, samples: int, spread: float) -> np.ndarray:
    """Log-normal samples about 1: one effect a round, and AR(1) noise within it."""
    noise = 0.01 * rng.standard_normal((rounds, samples))
    for column in range(1, samples):
        noise[:, column] += 0.6 * noise[:, column - 1]
    return np.exp(spread * rng.standard_normal((rounds, 1)) + noise)


def test_the_median_of_all_samples_lies_in_its_interval() -> None:
    found = estimate_median([[1.0, 1.1, 1.2], [1.0, 1.2, 1.3], [0.9, 1.1, 1.2]])
    assert found.value == pytest.approx(1.1)
    assert found.low is not None and found.high is not None
    assert found.low < 1.1 < found.high
    assert (found.rounds, found.samples, found.blocks) == (3, 9, "rounds")


def test_equal_samples_have_an_interval_of_no_width() -> None:
    found = estimate_median([[2.0] * 4] * 5)
    assert (found.low, found.value, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_one_round_is_cut_into_batches_and_says_so() -> None:
    found = estimate_median([[1.0, 1.1, 1.2] * 20])
    assert found.blocks == "batches"
    assert 0 <= found.relative_half_width < 0.2


def test_one_sample_has_no_interval() -> None:
    found = estimate_median([[1.0]])
    assert (found.low, found.high) == (None, None)
    assert math.isinf(found.relative_half_width)


def test_nothing_or_a_time_of_zero_has_no_median() -> None:
    for rounds in ([], [[]], [[1.0, 0.0]]):
        with pytest.raises(ValueError, match="positive samples"):
            estimate_median(rounds)


@pytest.mark.parametrize("rounds", [3, 5])
def test_the_interval_of_few_rounds_holds_the_truth_as_often_as_it_says(rounds: int) -> None:
    rng = np.random.default_rng(7)
    found = [estimate_median(autocorrelated(rng, rounds, 12, spread=0.02)) for _ in range(120)]
    held = np.mean([item.low <= 1.0 <= item.high for item in found if item.low is not None and item.high is not None])
    assert held >= 0.90, "a nominal 95 % interval; 120 tries leave it above 90 % with certainty 99 %"


@given(rounds_of_times, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_samples_within_a_round_does_not_matter(rounds: list[list[float]], random) -> None:
    shuffled = [random.sample(samples, len(samples)) for samples in rounds]
    assert estimate_median(rounds) == estimate_median(shuffled)


@given(rounds_of_times, st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_an_interval_scales_with_its_samples(rounds: list[list[float]], factor: float) -> None:
    one, other = estimate_median(rounds), estimate_median([[factor * x for x in samples] for samples in rounds])
    assert other.value == pytest.approx(factor * one.value, rel=1e-9)
    assert one.low is not None and other.low is not None
    assert other.low == pytest.approx(factor * one.low, rel=1e-6)


def test_percentiles_need_a_sample_beyond_them() -> None:
    assert percentiles([[3.0], [1.0], [2.0]]) == {"p50": 2.0, "p90": None, "p99": None}
    hundred = percentiles([[float(x) for x in range(1, 102)]])
    assert hundred == {"p50": 51.0, "p90": 91.0, "p99": 100.0}
