from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.estimate.affine import Traces
from segbench.estimate.allocator import replay
from segbench.estimate.largest import GUIDED_TRACES, fits, largest, largest_batch, largest_in_proportion
from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.units import MIB


def a_step(batch: int, weights: int = 100 * MIB, image: int = 30 * MIB) -> StorageLog:
    """Weights stay; each of two steps makes two maps and drops them in turn."""
    sizes = {"parameters": weights, "activations": batch * image, "temporaries": batch * image // 2}
    storages = tuple(Storage(size, role, "aten.relu", "", (batch, size), "uint8") for role, size in sizes.items())
    return StorageLog(storages, (1, 2, 3, -2, -3, 2, 3, -2, -3), (Mark(0, 0, "build"), Mark(1, 1, ""), Mark(5, 2, "")))


@given(limit=st.integers(50, 6000))
def test_the_largest_batch_fits_and_the_next_does_not(limit: int) -> None:
    found = largest_batch(Traces(a_step), limit * MIB, most=200)
    assert found.fits is None or fits(a_step(found.fits), limit * MIB)
    if found.fails_at is None:
        assert found.fits == 200
    else:
        assert found.fails_at == (found.fits or 0) + 1
        assert not fits(a_step(found.fails_at), limit * MIB)


def test_the_answer_by_hand() -> None:
    """1000 MiB hold 100 and 45 a batch: 20 exactly."""
    found = largest_batch(Traces(a_step), 1000 * MIB)
    assert (found.fits, found.fails_at) == (20, 21)
    assert found.used == replay(a_step(20), 1000 * MIB)
    assert found.needed is not None
    assert found.needed.allocated_peak == 1046 * MIB, "315 MiB take the whole of a 316 MiB segment"
    assert found.limited_by == "allocated"


def test_if_nothing_fits_it_says_what_one_would_need() -> None:
    found = largest_batch(Traces(a_step), 120 * MIB)
    assert (found.fits, found.fails_at, found.used) == (None, 1, None)
    assert found.needed is not None
    assert found.needed.reserved_peak > 120 * MIB


def test_one_batch_tells_which_other_to_trace() -> None:
    traced: list[int] = []

    def trace(batch: int) -> StorageLog:
        traced.append(batch)
        return a_step(batch)

    largest_batch(Traces(trace), 1000 * MIB)
    assert traced == [2, 21]


def test_a_batch_of_one_is_always_traced() -> None:
    def trace(batch: int) -> StorageLog:
        if batch == 1:
            raise ValueError("batch normalisation needs two values to train")
        return a_step(batch)

    with pytest.raises(ValueError, match="two values"):
        largest_batch(Traces(trace), 150 * MIB)


@pytest.mark.parametrize("strange", [3, 20, 21])
def test_a_family_that_deceives_is_found_out(strange: int) -> None:
    def trace(batch: int) -> StorageLog:  # from some batch on, the network does something else
        return a_step(batch, image=(30 if batch < strange else 60) * MIB)

    found = largest_batch(Traces(trace), 1000 * MIB)
    truth = largest(trace, 1000 * MIB, range(1, 100))
    assert (found.fits, found.fails_at) == (truth.fits, truth.fails_at)


def test_any_sizes_can_be_searched() -> None:
    found = largest(a_step, 1000 * MIB, range(8, 64, 8))
    assert (found.fits, found.fails_at) == (16, 24)


def a_square(side: int) -> StorageLog:
    """A step on one square image, 1/16 MiB of maps a pixel; sides are rounded up to multiples of 4, as by strides."""
    return a_step((-(-side // 4) * 4) ** 2, image=MIB // 16)


@given(limit=st.integers(50, 6000), guess=st.integers(1, 300), power=st.sampled_from([1, 2, 4]))
def test_any_guess_leads_to_the_answer_even_where_the_amount_misleads(limit: int, guess: int, power: int) -> None:
    traced: list[int] = []

    def trace(side: int) -> StorageLog:
        traced.append(side)
        return a_square(side)

    sides = range(1, 301)
    found = largest_in_proportion(trace, limit * MIB, sides, guess, lambda side: side**power)
    assert found == largest(a_square, limit * MIB, sides)
    assert len(traced) == len(set(traced)) <= GUIDED_TRACES + len(sides).bit_length()


def test_the_traces_so_far_tell_where_to_look_next() -> None:
    """2000 MiB hold weights of 100 MiB and 20266 pixels, a side of 142 that rounding makes 140.

    The side of 60 says 142 by proportion. That is in truth as large as 144, and the line through both says 140.
    """
    traced: list[int] = []

    def trace(side: int) -> StorageLog:
        traced.append(side)
        return a_square(side)

    found = largest_in_proportion(trace, 2000 * MIB, range(1, 1000), 60, lambda side: side**2)
    assert (found.fits, found.fails_at) == (140, 141)
    assert traced == [60, 142, 140, 141]
