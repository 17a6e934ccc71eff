"""Finds the largest size that fits, and proves it: that size was tried and fits, the next was tried and does not.

Every try is dear (a fresh process that trains a network), so that a prediction says where to begin, and what a fitting
try used says where to go on. Neither is believed: only tried sizes are answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

ProbeAnswer = Literal["fits", "does_not_fit", "timed_out", "crashed", "failed", "unsupported"]


@dataclass(frozen=True)
class Outcome:
    """What one try of a size found.

    Attributes:
        verdict: a crash or a time-out is no answer, and never taken for `does_not_fit`.
        bytes: what it used where it fits; what it needed, if known, where it does not.
        retries: how often the allocator had to release its cache to go on; above 0 the size runs, but barely.
        cause: one sentence where it does not fit or did not answer.
    """

    verdict: ProbeAnswer
    bytes: int | None = None
    retries: int = 0
    cause: str | None = None


@dataclass(frozen=True)
class Try:
    """A size and what became of it."""

    size: int
    outcome: Outcome


@dataclass(frozen=True)
class Bracket:
    """The answer.

    Attributes:
        fits: the largest size that was tried and fits; None if not even 1 does.
        fails_at: the size that was tried and does not fit, `fits + 1` if the answer is proven; None if the search's
            own end was reached first.
        tries: every try, in order.
        unanswered: the try that ended the search without an answer (crash, time-out, failure); None otherwise.
        doubted: `fails_at` was refused under conditions that turned out wrong, and trying again did not settle it.
    """

    fits: int | None
    fails_at: int | None
    tries: tuple[Try, ...]
    unanswered: Try | None = None
    doubted: bool = False

    @property
    def proven(self) -> bool:
        """Whether both sides were tried, lie next to each other, and the refusal is not doubted."""
        return not self.doubted and self.fails_at is not None and self.fails_at == (self.fits or 0) + 1

    def outcome_at(self, size: int | None) -> Outcome | None:
        """The last answer at a size; None where it was not tried."""
        return next((item.outcome for item in reversed(self.tries) if item.size == size), None)


@dataclass(frozen=True)
class Expectation:
    """What is believed before anything is tried; it speeds the search up and never decides it.

    Attributes:
        start: the size believed to be the largest that fits.
        bytes: believed use at a size, growing with it.
        budget: what must not be exceeded.
    """

    start: int
    bytes: Callable[[int], float] | None = None
    budget: int | None = None


LARGEST_PROBED = 4096
"""Sizes beyond are not tried: a network so small is limited by other things (launch limits, the host's memory)."""


Doubts = Callable[[int], bool]
"""Whether a size was refused under conditions that later tries have shown to be wrong."""

_MOST_REFUSALS = 3
"""Tries of one size whose refusals are doubted; conditions that still change then are the device's own unrest."""


def find_bracket(
    probe: Callable[[int], Outcome],
    expected: Expectation | None = None,
    most: int = LARGEST_PROBED,
    doubts: Doubts = lambda _: False,
) -> Bracket:
    """Searches sizes 1 to `most`.

    At most four tries if `expected.start` is within 10 % of the truth and readings are in proportion to
    `expected.bytes`. Otherwise at most about twice the logarithm of the distance more. Without an expectation it
    gallops up from 1.

    Args:
        probe: tries a size. A crash is tried once more; a second one, a time-out or a failure ends the search.
        doubts: asked before an answer is given. A doubted refusal is tried again; where the size then fits, the search
            goes on.
    """
    return _Search(probe, expected, most, doubts).run()


@dataclass
class _Search:
    """The state of a search: `low` fits (0 needs no proof), `high` does not (None: not yet met)."""

    probe: Callable[[int], Outcome]
    expected: Expectation | None
    most: int
    doubts: Doubts
    low: int = 0
    high: int | None = None
    tries: list[Try] = field(default_factory=list)

    def run(self) -> Bracket:
        while not self._done() or self._is_worth_another_try():
            size = self.high if self.high is not None and self._done() else self._next()
            outcome = self._try(size)
            if outcome.verdict == "fits":
                self.low = size
                self.high = None if self.high == size else self.high
            elif outcome.verdict == "does_not_fit":
                self.high = size
            else:
                return self._bracket(self.tries[-1])
        return self._bracket(None)

    def _bracket(self, unanswered: Try | None) -> Bracket:
        return Bracket(self.low or None, self.high, tuple(self.tries), unanswered, self._doubted)

    def _done(self) -> bool:
        return self.low >= self.most if self.high is None else self.high == self.low + 1

    @property
    def _doubted(self) -> bool:
        return self.high is not None and self.doubts(self.high)

    def _is_worth_another_try(self) -> bool:
        return self._doubted and sum(item.size == self.high for item in self.tries) < _MOST_REFUSALS

    def _try(self, size: int) -> Outcome:
        outcome = self.probe(size)
        self.tries.append(Try(size, outcome))
        if outcome.verdict == "crashed":
            outcome = self.probe(size)
            self.tries.append(Try(size, outcome))
        return outcome

    def _next(self) -> int:
        """The next size, strictly between what fits and what does not."""
        if not self.tries:
            wanted = self._start
        elif (read := self._by_reading()) is not None:
            wanted = read
        elif self.high is None:  # up, each stride as long as the way so far
            wanted = self.low + max(self._stride, self.low - self._start)
        elif self.low == 0:  # down likewise
            wanted = self.high - max(self._stride, self._start - self.high)
        else:
            wanted = (self.low + self.high) // 2
        top = self.most if self.high is None else self.high - 1
        return max(self.low + 1, min(wanted, top))

    @property
    def _start(self) -> int:
        return 1 if self.expected is None else max(1, min(self.expected.start, self.most))

    @property
    def _stride(self) -> int:
        """Half of 10 % of the start, so that two strides stay within; all of it where two would be too many."""
        reach = self._start // 10
        return max(1, reach if reach > 4 else (reach + 1) // 2)

    def _by_reading(self) -> int | None:
        """Where the believed line, scaled to what the largest fitting size used, meets the budget.

        Only for the first tries: readings wobble with fragmentation, and bisection is sure to end.
        """
        if self.expected is None or self.expected.bytes is None or not self.expected.budget or len(self.tries) > 3:
            return None
        believed, budget = self.expected.bytes, self.expected.budget
        reading = next((item.outcome.bytes for item in reversed(self.tries) if item.size == self.low), None)
        if not reading:
            return None
        scale = reading / believed(self.low)
        farthest = min(self.most, 4 * self.low)  # a wrong line must not lead far astray
        return _largest_below(farthest + 1, lambda size: scale * believed(size) <= budget)


def _largest_below(end: int, holds: Callable[[int], bool]) -> int:
    """The largest number below `end` for which a condition that once ends holds; 0 if for none."""
    low = 0
    while end - low > 1:
        middle = (low + end) // 2
        low, end = (middle, end) if holds(middle) else (low, middle)
    return low
