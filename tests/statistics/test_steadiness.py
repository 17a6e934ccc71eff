"""What one process concludes from its own calls."""

from __future__ import annotations

import math
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from segbench.statistics.steadiness import half_width, is_steady


def test_of_few_slow_calls_the_last_are_held_against_those_before() -> None:
    assert not is_steady([10.0])
    assert not is_steady([13.0, 10.0])
    assert is_steady([13.0, 10.0, 10.1])
    assert is_steady([10.0, 10.2, 10.1, 10.1])


def test_the_interval_of_a_median_by_order_statistics() -> None:
    assert math.isinf(half_width([1.0] * 5))
    assert half_width([1.0] * 6) == 0
    hundred = [float(value) for value in range(1, 101)]
    # Binomial(100, 1/2): ranks 40 and 61 hold the median in 95 % of samples.
    assert half_width(hundred) == (61 - 41) / 2 / 50.5


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=40), st.randoms())
def test_the_order_of_samples_does_not_matter(samples: list[float], random: Random) -> None:
    assert half_width(samples) == half_width(random.sample(samples, len(samples)))
