"""The largest size that fits a limit, by replaying traces on both sides of the answer; no device is needed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from segbench.estimate.affine import Traces
from segbench.estimate.allocator import OutOfMemory, Replay, replay
from segbench.estimate.log import StorageLog


@dataclass(frozen=True)
class Largest:
    """A bracket; both sides were traced, and replayed under the limit.

    Attributes:
        fits: the largest size that fits; None if not even the smallest does.
        fails_at: the next one; None if everything up to the search's end fits.
        used: what `fits` used.
        needed: what `fails_at` would take without a limit.
        limited_by: `allocated` if the tensors of `fails_at` alone exceed the limit, `reserved` if they would fit but
            for the allocator's fragmentation; empty without a failure.
    """

    fits: int | None
    fails_at: int | None
    used: Replay | None
    needed: Replay | None
    limited_by: str


GUIDED_TRACES = 8
"""So many traces say where to look next. A search that takes more halves what is left, and so is sure to end soon."""


def largest_size(traces: Traces, limit: int, sizes: range, first: int) -> Largest:
    """The largest size whose step fits under `limit` bytes of segments.

    Each trace tells, with the first one, of sizes near its own (`affine`), and so where to look next, between what fits
    and what does not. Of batches it tells exactly; of inputs nearly, since odd sides are rounded and workspaces jump. A
    larger size may fit where a smaller one does not, by luck with fragments: then there are several such answers, and
    the first size decides which of them is found.

    Args:
        traces: the logs at every size.
        limit: bytes.
        sizes: others are not looked at; in steps of 1.
        first: the size traced first, one of `sizes`.
    """
    used = cache(lambda size: _replayed(traces.at(size), limit))
    low, high, size, tried = sizes.start - 1, sizes.stop, first, 1
    while True:
        low, high = (low, size) if used(size) is None else (size, high)
        if high - low == 1:
            break
        between = range(low + 1, high)
        guided = tried < GUIDED_TRACES
        size = _last_fitting(traces, first, size, limit, between) if guided else between[len(between) // 2]
        tried += 1
    needed = replay(traces.at(high)) if high in sizes else None
    return Largest(
        fits=low if low in sizes else None,
        fails_at=high if high in sizes else None,
        used=used(low) if low in sizes else None,
        needed=needed,
        limited_by="" if needed is None else "allocated" if needed.allocated_peak > limit else "reserved",
    )


def _last_fitting(traces: Traces, first: int, size: int, limit: int, sizes: range) -> int:
    """The last of `sizes` that fits, as far as the traces of two others tell; their first one if none does.

    If `size` does not fit, it was a guess, and the answer is near the end of those whose tensors alone fit.
    """
    family = traces.near(size, first)
    bound = family.upper_bound(limit)
    near = sizes[: bisect_left(sizes, True, key=lambda size: traces.amount(size) > bound)]

    def fails(place: int) -> bool:
        return not fits(family.at(traces.amount(near[place])), limit)

    low, high = (0, len(near)) if size < sizes.start else _from_above(fails, len(near))
    return sizes[max(0, bisect_left(range(high), True, lo=low, key=fails) - 1)]


def _from_above(fails: Callable[[int], bool], count: int) -> tuple[int, int]:
    """Between which places the first one lies that fails, looked for in ever longer steps from the last of so many."""
    high, step = count, 1
    while high > 0:
        place = max(0, high - step)
        if not fails(place):
            return place + 1, high
        high, step = place, 2 * step
    return 0, 0


def fits(log: StorageLog, limit: int) -> bool:
    """Whether the allocator gets through the log under the limit."""
    return _replayed(log, limit) is not None


def _replayed(log: StorageLog, limit: int) -> Replay | None:
    try:
        return replay(log, limit)
    except OutOfMemory:
        return None
