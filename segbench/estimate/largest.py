"""The largest size that fits a limit, by replaying logs on both sides of the answer; no device is needed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from segbench.estimate.affine import NotAffine, log_family
from segbench.estimate.allocator import OutOfMemory, Replay, replay
from segbench.estimate.log import StorageLog

MOST = 4096
"""Sizes beyond are not looked at."""


@dataclass(frozen=True)
class Largest:
    """A bracket; both sides were traced afresh and replayed under the limit.

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


def largest_batch(trace: Callable[[int], StorageLog], limit: int, most: int = MOST) -> Largest:
    """The largest batch whose step fits under `limit` bytes of segments.

    Two traces give the log of every batch (`affine`); the answer is checked by fresh traces of both its sides, and
    found by tracing alone if they disagree.
    """
    trace = cache(trace)
    try:
        family = log_family(trace)
    except NotAffine:
        return largest(trace, limit, range(1, most + 1))
    place = _first_failure(family.at, limit, range(1, most + 1))
    near = range(max(1, place), min(most, place + 1) + 1)  # the last batch that fits, and the next
    checked = largest(trace, limit, near)
    agrees = (checked.fits or 0) == place and (checked.fails_at == place + 1 or place == most)
    return checked if agrees else largest(trace, limit, range(1, most + 1))


def largest(trace: Callable[[int], StorageLog], limit: int, sizes: range) -> Largest:
    """Bisects `sizes` with fresh traces; whatever fails at a size is taken to fail at larger ones."""
    trace = cache(trace)
    place = _first_failure(trace, limit, sizes)
    fits = sizes[place - 1] if place else None
    fails_at = sizes[place] if place < len(sizes) else None
    needed = replay(trace(fails_at)) if fails_at is not None else None
    return Largest(
        fits=fits,
        fails_at=fails_at,
        used=replay(trace(fits), limit) if fits is not None else None,
        needed=needed,
        limited_by="" if needed is None else "allocated" if needed.allocated_peak > limit else "reserved",
    )


def fits(log: StorageLog, limit: int) -> bool:
    """Whether the allocator gets through the log under the limit."""
    try:
        replay(log, limit)
    except OutOfMemory:
        return False
    return True


def _first_failure(log: Callable[[int], StorageLog], limit: int, sizes: range) -> int:
    """Place in `sizes` of the first that does not fit; their number if all do."""
    return bisect_left(sizes, True, key=lambda size: not fits(log(size), limit))
