"""Whether B differs from A: a ratio with its confidence interval, a verdict, and one plain sentence.

Two ways of measuring give two errors. Interleaved in one command, round i of A and round i of B ran side by side, so
what the machine did to one it did to the other: the same rounds are resampled for both and the drift cancels. Measured
one after the other, whatever changed between the two commands counts as a difference of the networks, and no sample of
either tells of it; the error used is therefore that of one round and not that of the mean of all (each variance times
its number of rounds), as if a whole command were just one more round. Simulated (ours, two runs of the same thing,
500 tries, `benchmarks/interval_coverage.py`, 95 % intervals), "significant" came out wrongly in

    drift of the machine           rounds   error of the mean   error of a round   interleaved
    none                           3 - 8        3 - 6 %             0 %              0 - 2 %
    AR(1), 0.8 from round to round 3 - 8       12 - 33 %            2 - 4 %          1 %
    busy or idle for 7 rounds each 3 - 8       12 - 30 %            4 - 11 %         1 - 3 %
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segbench.records.case import Json
from segbench.records.measurement import Measurement
from segbench.records.quantities import QUANTITIES
from segbench.statistics.intervals import as_blocks, critical_t, log_median
from segbench.statistics.resampling import bootstrap_error

if TYPE_CHECKING:
    from segbench.statistics.intervals import SampleBlock

SMALLEST_EFFECT = 0.01
"""A change below this share is not called a difference however narrow the interval: the default noise target."""

_EXACT = ("counted", "predicted", "simulated", "published")
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class ComparedValue:
    """One quantity of one side, ready to be compared.

    Attributes:
        name: what the sentence calls this side.
        rounds: samples by round; empty for a quantity that is counted or read once.
        session: equal on two sides whose rounds were interleaved.
    """

    name: str
    quantity: str
    value: float
    method: str
    rounds: tuple[tuple[float, ...], ...] = field(default=())
    session: str | None = None


@dataclass(frozen=True)
class Contrast:
    """How B stands to A in one quantity.

    Attributes:
        ratio: B's value over A's; None where A's is 0.
        low, high: 95 % confidence interval of the ratio; None where there is none to give.
        verdict: `less` or `more` (shown), `same` (within `SMALLEST_EFFECT`), `not significant`, or `single` (read once
            on a side, so nothing can be said about noise).
        sentence: for people.
    """

    a: ComparedValue
    b: ComparedValue
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    sentence: str

    @property
    def shown(self) -> bool:
        """Whether a gate may act on the ratio: the difference is not noise as far as anyone can tell."""
        return self.verdict in ("less", "more", "single")


def compared_value(name: str, item: Measurement) -> ComparedValue | None:
    """A measurement as a side of a comparison; None where it has no value."""
    if item.value is None:
        return None
    session: Json = item.detail.get("session")
    return ComparedValue(name, item.quantity, item.value, item.method, split_rounds(item), session)


def split_rounds(item: Measurement) -> tuple[tuple[float, ...], ...]:
    """The samples by round: `detail["rounds"]` says how many samples each has, in order."""
    ends, found = 0, []
    for count in item.detail.get("rounds", ()):
        found.append(item.samples[ends : ends + count])
        ends += count
    return tuple(found)


def contrast(a: ComparedValue, b: ComparedValue) -> Contrast:
    """Compares B with A.

    Raises:
        ValueError: they are different quantities.
    """
    if a.quantity != b.quantity:
        raise ValueError(f"{a.quantity} and {b.quantity} are different quantities")
    if not (a.value > 0 and b.value > 0):
        return _without_ratio(a, b)
    ratio = b.value / a.value
    if a.method in _EXACT and b.method in _EXACT:
        verdict = "same" if abs(ratio - 1) < 1e-9 else _direction(ratio)
        return Contrast(a, b, ratio, ratio, ratio, verdict, _sentence(a, b, ratio, verdict, "exact, no noise"))
    if min(len(a.rounds), len(b.rounds)) < 2:
        how = "read once on a side, so noise is not known"
        return Contrast(a, b, ratio, None, None, "single", _sentence(a, b, ratio, _direction(ratio), how))
    return _from_rounds(a, b)


def _from_rounds(a: ComparedValue, b: ComparedValue) -> Contrast:
    blocks_a, blocks_b = as_blocks(a.rounds), as_blocks(b.rounds)
    paired = a.session is not None and a.session == b.session
    if paired:  # one side may have gone on alone
        common = min(len(blocks_a), len(blocks_b))
        blocks_a, blocks_b = blocks_a[:common], blocks_b[:common]
        error, freedom = _paired_error(blocks_a, blocks_b)
    else:
        error, freedom = _separate_error(blocks_a, blocks_b)
    ratio = b.value / a.value
    half = min(critical_t(freedom) * error, _LARGEST_EXPONENT)
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    verdict = _verdict(ratio, low, high)
    how = f"95 % interval {low:.3g} to {high:.3g}, {'interleaved' if paired else 'measured one after the other'}"
    return Contrast(a, b, ratio, low, high, verdict, _sentence(a, b, ratio, verdict, how))


def _paired_error(a: Sequence[SampleBlock], b: Sequence[SampleBlock]) -> tuple[float, float]:
    """Standard error of log(B/A) and its degrees of freedom; the same rounds are drawn for both."""
    error = bootstrap_error(len(a), lambda chosen: log_median(b, chosen) - log_median(a, chosen))
    return error, len(a) - 1


def _separate_error(a: Sequence[SampleBlock], b: Sequence[SampleBlock]) -> tuple[float, float]:
    """As `_paired_error` for independent sides, each with the error of one round; Welch and Satterthwaite's freedom."""
    variances = [len(s) * bootstrap_error(len(s), lambda chosen, s=s: log_median(s, chosen)) ** 2 for s in (a, b)]  # type: ignore[misc]
    total = sum(variances)
    if total == 0:
        return 0.0, float(min(len(a), len(b)) - 1)
    shares = sum(variance**2 / (len(s) - 1) for variance, s in zip(variances, (a, b), strict=True))
    return math.sqrt(total), total**2 / shares


def _verdict(ratio: float, low: float, high: float) -> str:
    if low > 1 - SMALLEST_EFFECT and high < 1 + SMALLEST_EFFECT:
        return "same"
    if low <= 1 <= high or abs(ratio - 1) < SMALLEST_EFFECT:
        return "not significant"
    return _direction(ratio)


def _direction(ratio: float) -> str:
    return "less" if ratio < 1 else "more" if ratio > 1 else "same"


def _sentence(a: ComparedValue, b: ComparedValue, ratio: float, verdict: str, how: str) -> str:
    what = f"{b.name} has {ratio:.3g} times the {a.quantity} of {a.name} ({how})"
    if verdict == "not significant":
        return f"not significant: {what}"
    if verdict == "same":
        return f"the same: {what}"
    better = {"lower": "less", "higher": "more"}.get(QUANTITIES[a.quantity].better)
    judged = "" if better is None else ", better" if verdict == better else ", worse"
    return f"{what}: {100 * abs(ratio - 1):.3g} % {verdict}{judged}"


def _without_ratio(a: ComparedValue, b: ComparedValue) -> Contrast:
    verdict = "same" if a.value == b.value else "less" if b.value < a.value else "more"
    sentence = f"{b.name} has {b.value:g} {a.quantity}, {a.name} has {a.value:g}: no ratio"
    return Contrast(a, b, None, None, None, verdict, sentence)
