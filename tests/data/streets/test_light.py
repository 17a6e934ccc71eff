from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.data.streets.light import any_light, jitter, times


@given(st.integers(0, 10**6))
def test_every_moment_is_within_what_a_camera_sees(seed: int) -> None:
    light = any_light(Random(seed))
    assert all(0 <= channel <= 255 for colour in (light.zenith, light.skyline) for channel in colour)
    assert 0 < light.shadow <= 1
    assert light.haze > 0
    assert -1 <= light.side <= 1
    assert all(0 < channel < 1.2 for channel in light.sun)


def test_the_same_seed_gives_the_same_moment() -> None:
    assert any_light(Random(3)) == any_light(Random(3)) != any_light(Random(4))


def test_lamps_are_lit_at_dusk_only() -> None:
    moments = [any_light(Random(seed)) for seed in range(200)]
    assert {light.dark for light in moments} == {True, False}
    assert max(max(light.sun) for light in moments if light.dark) < 0.75


@given(st.integers(0, 10**6), st.tuples(*[st.floats(0, 255)] * 3), st.floats(0, 60))
def test_a_jittered_colour_stays_near_and_is_a_colour(
    seed: int, colour: tuple[float, float, float], amount: float
) -> None:
    found = jitter(Random(seed), colour, amount)
    assert all(0 <= channel <= 255 for channel in found)
    assert all(abs(channel - old) <= amount * 4 / 3 + 1e-9 for channel, old in zip(found, colour, strict=True))


def test_a_colour_is_scaled() -> None:
    assert times((10, 20, 40), 0.5) == pytest.approx((5, 10, 20))
