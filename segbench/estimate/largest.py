"""The largest size that fits a limit, by replaying logs on both sides of the answer; no device is needed."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from segbench.estimate.affine import LogFamily, NotAffine, Traces, in_proportion
from segbench.estimate.allocator import OutOfMemory, Replay, replay
from segbench.estimate.log import StorageLog

MOST = 4096
"""Sizes beyond are not looked at."""


@dataclass(frozen=True)
class Largest:
    """A bracket; the logs of both sides were replayed under the limit.

    A log is a trace's, or interpolated between two traces one of which is of the side that fails (`largest_batch`).

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


def largest_batch(traces: Traces, limit: int, most: int = MOST) -> Largest:
    """The largest batch whose step fits under `limit` bytes of segments.

    The trace of one batch tells which is about the first to fail. This one's trace and the first give the log of every
    batch (`affine`), and with it an answer. The side that fails is traced, which proves the family right; so is the
    side that fits where storages do not grow by whole bytes an image. Where a trace differs, the search goes on with
    traces alone. A larger batch may fit where a smaller one does not, by luck with fragments: where the search starts
    is part of its answer, and is the same in either case.

    Args:
        traces: the logs at every batch.
        limit: bytes.
        most: batches beyond are not looked at.
    """
    sizes = range(1, most + 1)
    start = max(FIRST_BATCH, _last_fitting(traces.near(FIRST_BATCH), limit, range(1, most)))
    try:
        logs = traces.through(FIRST_BATCH, start + 1)
    except NotAffine:
        return largest_near(traces.at, limit, sizes, start)
    found = largest_near(logs.at, limit, sizes, start)
    proven = all(logs.at(size).same_memory(traces.at(size)) for size in _proofs(found, logs))
    return found if proven else largest_near(traces.at, limit, sizes, start)


def _proofs(found: Largest, logs: LogFamily) -> set[int]:
    """Sizes whose traces prove an answer, with 1 where it is part of it: some networks refuse to train on one."""
    failing = found.fails_at or found.fits
    assert failing is not None
    fitting = () if found.fits is None or (logs.is_exact and found.fits > 1) else (found.fits,)
    return {failing, *fitting}


FIRST_BATCH = 2
"""Traced first: the smallest at which batch normalisation of a map pooled to 1x1 can train."""


GUIDED_TRACES = 8
"""So many traces say where to look next. A search that takes more halves what is left, and so is sure to end soon."""


def largest_in_proportion(
    trace: Callable[[int], StorageLog], limit: int, sizes: range, first: int, amount: Callable[[int], int]
) -> Largest:
    """The largest size where memory grows about in proportion to an amount, as it does to pixels.

    Odd sides are rounded and workspaces jump, so that no two traces give the log of a third. But each nearly gives the
    logs of sizes near its own, and so where to look next, between what fits and what does not. Both sides of the answer
    are traced. A larger size may fit where a smaller one does not, by luck with fragments: then there are several such
    answers, and the first size decides which of them is found.

    Args:
        trace: the log at a size.
        limit: bytes.
        sizes: others are not looked at.
        first: the size traced first.
        amount: what storages grow with, at a size.
    """
    trace = cache(trace)
    search = _Search(trace, limit)
    low, high, size, tried = sizes.start - 1, sizes.stop, first, 1
    while True:
        low, high = (size, high) if search.fits(size) else (low, size)
        if high - low == 1:
            return search.between(range(max(low, sizes.start), min(high + 1, sizes.stop)))
        if tried < GUIDED_TRACES:
            near = _near(trace, first, size, amount)
            size = max(low + 1, _last_fitting(near, limit, range(low + 1, high), amount))
        else:
            size = (low + high) // 2
        tried += 1


def _near(trace: Callable[[int], StorageLog], first: int, size: int, amount: Callable[[int], int]) -> LogFamily:
    """The logs of sizes near a traced one: through the first one's too, where both are of one structure."""
    if size != first:
        with contextlib.suppress(NotAffine):
            return LogFamily(trace(first), trace(size), amount(first), amount(size))
    return in_proportion(trace(size), amount(size))


def largest_near(trace: Callable[[int], StorageLog], limit: int, sizes: range, guess: int) -> Largest:
    """Like `largest`, with few traces where the answer is near a guess: it looks ever farther from there."""
    search = _Search(trace, limit)
    guess_fits = search.fits(guess)
    near, stride = guess, 1 if guess_fits else -1
    far = near + stride
    while far in sizes and search.fits(far) == guess_fits:
        stride *= 4
        near, far = far, far + stride
    return search.between(range(max(min(near, far), sizes.start), min(max(near, far) + 1, sizes.stop)))


def largest(trace: Callable[[int], StorageLog], limit: int, sizes: range) -> Largest:
    """Bisects `sizes`; whatever fails at a size is taken to fail at larger ones."""
    return _Search(trace, limit).between(sizes)


class _Search:
    """Replays under a limit, each size once."""

    def __init__(self, trace: Callable[[int], StorageLog], limit: int) -> None:
        self._trace, self._limit = cache(trace), limit
        self.used = cache(self._used)

    def _used(self, size: int) -> Replay | None:
        return _replayed(self._trace(size), self._limit)

    def fits(self, size: int) -> bool:
        return self.used(size) is not None

    def between(self, sizes: range) -> Largest:
        place = bisect_left(sizes, True, key=lambda size: not self.fits(size))
        fits = sizes[place - 1] if place else None
        fails_at = sizes[place] if place < len(sizes) else None
        needed = replay(self._trace(fails_at)) if fails_at is not None else None
        return Largest(
            fits=fits,
            fails_at=fails_at,
            used=self.used(fits) if fits is not None else None,
            needed=needed,
            limited_by="" if needed is None else "allocated" if needed.allocated_peak > self._limit else "reserved",
        )


def fits(log: StorageLog, limit: int) -> bool:
    """Whether the allocator gets through the log under the limit."""
    return _replayed(log, limit) is not None


def _replayed(log: StorageLog, limit: int) -> Replay | None:
    try:
        return replay(log, limit)
    except OutOfMemory:
        return None


def _last_fitting(family: LogFamily, limit: int, sizes: range, amount: Callable[[int], int] = lambda size: size) -> int:
    """The last of `sizes` that fits by interpolated logs; the one before them if none does."""
    bound = family.upper_bound(limit)
    near = sizes[: bisect_left(sizes, True, key=lambda size: amount(size) > bound)]
    return near.start - 1 + bisect_left(near, True, key=lambda size: not fits(family.at(amount(size)), limit))
