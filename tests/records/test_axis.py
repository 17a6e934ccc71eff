from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segbench.records.axis import InputAxis


def test_the_papers_input_is_a_size_of_its_own_axis() -> None:
    axis = InputAxis(480, 360)
    assert axis.size(45) == (480, 360)
    assert axis.pixels(45) == 172_800
    assert axis.number_of(172_800) == 45
    assert axis.number_of(172_799) == 44


@given(st.integers(8, 4000), st.integers(8, 4000), st.integers(1, 2000))
def test_sizes_lie_on_the_grid_and_their_numbers_are_found_again(width: int, height: int, number: int) -> None:
    axis = InputAxis(width, height)
    wide, high = axis.size(number)
    assert wide % 8 == high % 8 == 0
    assert axis.pixels(number) <= axis.pixels(number + 1)
    assert axis.pixels(axis.number_of(axis.pixels(number))) <= axis.pixels(number)
