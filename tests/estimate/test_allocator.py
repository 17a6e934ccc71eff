"""Tables worked out by hand from the rules of c10/cuda/CUDACachingAllocator.cpp."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.estimate.allocator import Action, Block, CachingAllocator, OutOfMemory, replay, round_size, segment_size
from segbench.estimate.log import Mark, Storage, StorageLog
from segbench.units import KIB, MIB


@pytest.mark.parametrize(
    ("requested", "taken"), [(1, 512), (512, 512), (513, 1024), (1000, 1024), (MIB, MIB), (MIB + 1, MIB + 512)]
)
def test_requests_are_rounded_up_to_512(requested: int, taken: int) -> None:
    assert round_size(requested) == taken
    assert CachingAllocator().malloc(requested).bytes >= taken


@pytest.mark.parametrize(
    ("rounded", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (33 * MIB, 34 * MIB),
    ],
)
def test_segments_are_two_twenty_or_a_multiple_of_two_mebibytes(rounded: int, segment: int) -> None:
    assert segment_size(rounded) == segment
    allocator = CachingAllocator()
    allocator.malloc(rounded)
    assert allocator.reserved == segment


def test_small_requests_share_a_segment() -> None:
    allocator = CachingAllocator()
    for _ in range(4):
        allocator.malloc(512 * KIB)
    assert allocator.reserved == 2 * MIB
    assert allocator.allocated == 2 * MIB
    allocator.malloc(1)
    assert allocator.reserved == 4 * MIB


def test_small_blocks_split_to_the_last_512_bytes_large_ones_only_above_one_mebibyte() -> None:
    allocator = CachingAllocator()
    assert allocator.malloc(2 * MIB - MIB - 512).bytes == MIB - 512
    large = CachingAllocator()
    assert large.malloc(19 * MIB).bytes == 20 * MIB, "a rest of 1 MiB is not split off, and counts as allocated"
    assert large.malloc(9 * MIB).bytes == 9 * MIB
    assert large.malloc(10 * MIB).bytes == 11 * MIB, "the rest of the 20 MiB segment, 11 MiB, is taken whole"
    assert large.reserved == 40 * MIB


def test_small_and_large_pools_never_lend_to_each_other() -> None:
    allocator = CachingAllocator()
    allocator.free(allocator.malloc(5 * MIB))
    allocator.malloc(KIB)
    assert allocator.reserved == 22 * MIB


def test_neighbours_coalesce_when_freed() -> None:
    allocator = CachingAllocator()
    first, second, third = (allocator.malloc(6 * MIB) for _ in range(3))
    assert allocator.reserved == 20 * MIB
    allocator.free(first)
    allocator.free(third)
    allocator.malloc(7 * MIB)  # 6 MiB at the front, 6 + 2 MiB at the end: fits at the end
    assert allocator.reserved == 20 * MIB
    assert allocator.malloc(6 * MIB).address == first.address
    allocator.free(second)
    assert allocator.malloc(6 * MIB).address == second.address


def test_the_best_fit_is_taken_and_of_equals_the_one_at_the_lowest_address() -> None:
    allocator = CachingAllocator()
    sizes = [30 * MIB, 12 * MIB, 12 * MIB]
    blocks = [allocator.malloc(size) for size in sizes]
    for block in reversed(blocks):
        allocator.free(block)
    assert allocator.malloc(11 * MIB).address == blocks[1].address
    assert allocator.malloc(11 * MIB).address == blocks[2].address
    assert allocator.malloc(11 * MIB).address == blocks[0].address


def test_a_limit_makes_unused_segments_go_before_a_request_is_refused() -> None:
    allocator = CachingAllocator(limit=100 * MIB)
    kept = allocator.malloc(40 * MIB)
    allocator.free(allocator.malloc(50 * MIB))
    allocator.malloc(60 * MIB)
    assert allocator.retries == 1
    assert allocator.reserved == 100 * MIB
    with pytest.raises(OutOfMemory) as refused:
        allocator.malloc(10 * MIB)
    assert (refused.value.requested, refused.value.reserved) == (10 * MIB, 100 * MIB)
    allocator.free(kept)
    assert allocator.malloc(10 * MIB).address == kept.address


def test_a_segment_of_which_a_part_is_in_use_is_not_released() -> None:
    allocator = CachingAllocator(limit=40 * MIB)
    front = allocator.malloc(5 * MIB)
    back = allocator.malloc(10 * MIB)
    allocator.free(front)
    with pytest.raises(OutOfMemory):
        allocator.malloc(30 * MIB)
    allocator.free(back)
    allocator.malloc(30 * MIB)
    assert allocator.reserved == 30 * MIB


def test_addresses_of_released_segments_are_used_again() -> None:
    allocator = CachingAllocator()
    first = allocator.malloc(20 * MIB)
    allocator.malloc(20 * MIB)
    allocator.free(first)
    allocator.empty_cache()
    assert allocator.malloc(18 * MIB).address == first.address


def test_peaks_start_from_what_is_held_when_they_are_reset() -> None:
    allocator = CachingAllocator()
    block = allocator.malloc(20 * MIB)
    allocator.free(allocator.malloc(40 * MIB))
    allocator.reset_peaks()
    assert (allocator.allocated_peak, allocator.reserved_peak) == (20 * MIB, 60 * MIB)
    allocator.free(block)
    assert allocator.allocated_peak == 20 * MIB


@given(
    st.lists(st.tuples(st.integers(1, 60 * MIB), st.integers(0, 30)), max_size=80),
    st.integers(20 * MIB, 400 * MIB),
)
def test_blocks_never_overlap_and_the_books_balance(requests: list[tuple[int, int]], limit: int) -> None:
    allocator = CachingAllocator(limit)
    held: list[Block] = []
    for size, which in requests:
        try:
            held.append(allocator.malloc(size))
        except OutOfMemory:
            if held:
                allocator.free(held.pop(which % len(held)))
        stretches = sorted((block.address, block.address + block.bytes) for block in held)
        assert all(end <= start for (_, end), (start, _) in pairwise(stretches))
        assert allocator.allocated == sum(block.bytes for block in held)
        assert allocator.allocated <= allocator.reserved <= limit
    for block in held:
        allocator.free(block)
    allocator.empty_cache()
    assert (allocator.allocated, allocator.reserved) == (0, 0)


def a_log(*events: int, sizes: list[int], role: str = "temporaries", second_step_at: int = 0) -> StorageLog:
    storages = tuple(Storage(size, role, "aten.relu", "", (size,), "uint8") for size in sizes)
    return StorageLog(storages, events, (Mark(0, 1, "forward"), Mark(second_step_at, 2, "forward")))


def test_a_replay_reports_the_measured_steps_after_emptying_the_cache() -> None:
    log = a_log(1, -1, 2, -2, sizes=[50 * MIB, 30 * MIB], second_step_at=2)
    found = replay(log)
    assert (found.allocated_peak, found.reserved_peak, found.warmup_peak) == (30 * MIB, 30 * MIB, 50 * MIB)


def test_a_workspace_that_does_not_fit_is_done_without_a_tensor_is_not() -> None:
    tensors = a_log(1, -1, sizes=[50 * MIB])
    with pytest.raises(OutOfMemory):
        replay(tensors, limit=40 * MIB)
    assert replay(a_log(1, -1, sizes=[50 * MIB], role="workspaces"), limit=40 * MIB).allocated_peak == 0


def test_retries_of_the_warm_up_are_not_the_measured_steps() -> None:
    def retries(second_step_at: int) -> int:
        log = a_log(1, -1, 2, -2, 3, -3, sizes=[50 * MIB, 60 * MIB, 30 * MIB], second_step_at=second_step_at)
        return replay(log, limit=70 * MIB).retries

    assert (retries(0), retries(4)) == (1, 0)


def test_an_observer_hears_every_action_in_order() -> None:
    heard: list[Action] = []
    replay(a_log(1, -1, sizes=[50 * MIB], second_step_at=2), observer=heard.append)
    assert [action.kind for action in heard] == ["segment_alloc", "alloc", "free"]
