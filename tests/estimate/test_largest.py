from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.estimate.affine import Traces
from segbench.estimate.allocator import replay
from segbench.estimate.largest import GUIDED_TRACES, Largest, fits, largest_size
from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.units import MIB

BATCHES = range(1, 201)


def a_step(batch: int, weights: int = 100 * MIB, image: int = 30 * MIB) -> StorageLog:
    """Weights stay; each of two steps makes two maps and drops them in turn."""
    sizes = {"parameters": weights, "activations": batch * image, "temporaries": batch * image // 2}
    storages = tuple(Storage(size, role, "aten.relu", "", (batch, size), "uint8") for role, size in sizes.items())
    return StorageLog(storages, (1, 2, 3, -2, -3, 2, 3, -2, -3), (Mark(0, 0, "build"), Mark(1, 1, ""), Mark(5, 2, "")))


def largest_batch(trace: Callable[[int], StorageLog], limit: int, first: int = 2) -> Largest:
    return largest_size(Traces(trace), limit, BATCHES, first)


def noted(trace: Callable[[int], StorageLog]) -> tuple[list[int], Callable[[int], StorageLog]]:
    """The sizes traced, as they are, and what traces them."""
    traced: list[int] = []

    def noting(size: int) -> StorageLog:
        traced.append(size)
        return trace(size)

    return traced, noting


@given(limit=st.integers(50, 6500), first=st.sampled_from(BATCHES))
def test_the_largest_batch_fits_and_the_next_does_not(limit: int, first: int) -> None:
    traced, trace = noted(a_step)
    found = largest_batch(trace, limit * MIB, first)
    assert found.fits is None or fits(a_step(found.fits), limit * MIB)
    if found.fails_at is None:
        assert found.fits == BATCHES[-1]
    else:
        assert found.fails_at == (found.fits or 0) + 1
        assert not fits(a_step(found.fails_at), limit * MIB)
    assert {found.fits, found.fails_at} - {None} <= set(traced)


def test_the_answer_by_hand() -> None:
    """1000 MiB hold 100 and 45 a batch: 20 exactly."""
    found = largest_batch(a_step, 1000 * MIB)
    assert (found.fits, found.fails_at) == (20, 21)
    assert found.used == replay(a_step(20), 1000 * MIB)
    assert found.needed is not None
    assert found.needed.allocated_peak == 1046 * MIB, "315 MiB take the whole of a 316 MiB segment"
    assert found.limited_by == "allocated"


def test_if_nothing_fits_it_says_what_one_would_need() -> None:
    found = largest_batch(a_step, 120 * MIB)
    assert (found.fits, found.fails_at, found.used) == (None, 1, None)
    assert found.needed is not None
    assert found.needed.reserved_peak > 120 * MIB


def test_one_batch_tells_which_others_to_trace() -> None:
    traced, trace = noted(a_step)
    largest_batch(trace, 1000 * MIB)
    assert traced == [2, 20, 21]


def test_a_batch_of_one_is_traced_where_it_is_the_answer() -> None:
    def trace(batch: int) -> StorageLog:
        if batch == 1:
            raise ValueError("batch normalisation needs two values to train")
        return a_step(batch)

    with pytest.raises(ValueError, match="two values"):
        largest_batch(trace, 150 * MIB)


@pytest.mark.parametrize("strange", [3, 20, 21, 22])
def test_a_network_that_does_something_else_from_some_batch_on_deceives_nobody(strange: int) -> None:
    def trace(batch: int) -> StorageLog:
        return a_step(batch, image=(30 if batch < strange else 60) * MIB)

    found = largest_batch(trace, 1000 * MIB)
    truth = [batch for batch in BATCHES if fits(trace(batch), 1000 * MIB)]
    assert found.fits == truth[-1]


@pytest.mark.parametrize("limit", range(200, 1000, 37))
def test_batches_that_a_network_pads_are_answered_as_they_are(limit: int) -> None:
    def padded(batch: int) -> StorageLog:
        return a_step(-(-batch // 4) * 4)

    found = largest_batch(padded, limit * MIB)
    truth = [batch for batch in BATCHES if fits(padded(batch), limit * MIB)]
    assert found.fits == max(truth, default=None)


def a_square(side: int) -> StorageLog:
    """A step on one square image, 1/16 MiB of maps a pixel; sides are rounded up to multiples of 4, as by strides."""
    return a_step((-(-side // 4) * 4) ** 2, image=MIB // 16)


@given(limit=st.integers(50, 6000), first=st.integers(1, 300), power=st.sampled_from([1, 2, 4]))
def test_any_first_size_leads_to_the_answer_even_where_the_amount_misleads(limit: int, first: int, power: int) -> None:
    traced, trace = noted(a_square)
    sides = range(1, 301)
    found = largest_size(Traces(trace, lambda side: side**power), limit * MIB, sides, first)
    assert found.fits == max((side for side in sides if fits(a_square(side), limit * MIB)), default=None)
    assert len(traced) == len(set(traced)) <= GUIDED_TRACES + len(sides).bit_length()


def test_the_traces_so_far_tell_where_to_look_next() -> None:
    """2000 MiB hold weights of 100 MiB and 20266 pixels, a side of 142 that rounding makes 140.

    The side of 60 says 142 by proportion. That is in truth as large as 144, and the line through both says 140.
    """
    traced, trace = noted(a_square)
    found = largest_size(Traces(trace, lambda side: side**2), 2000 * MIB, range(1, 1000), 60)
    assert (found.fits, found.fails_at) == (140, 141)
    assert traced == [60, 142, 140, 141]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("limit", [120, 160, 200, 1000])
def test_few_sizes_are_searched_too(count: int, limit: int) -> None:
    sizes = range(5, 5 + count)
    for first in sizes:
        traced, trace = noted(lambda size: a_step(size - 4))
        found = largest_size(Traces(trace), limit * MIB, sizes, first)
        truth = [size for size in sizes if fits(a_step(size - 4), limit * MIB)]
        assert (found.fits, found.fails_at) == (max(truth, default=None), min({*sizes} - {*truth}, default=None))
        assert set(traced) <= set(sizes)
