"""What one process may conclude from its own calls: whether they are alike by now, and how sure their median is.

Good enough to end a warm-up or to stop a process, never to judge a number: calls of one process are not independent
(`segbench.statistics.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

WINDOW = 3
ALIKE = 0.05
"""Two consecutive windows whose medians differ by less are steady: well above the noise of a median of three on a quiet
machine (1 - 2 %), well below what a first call costs (tens of percent to orders of magnitude)."""
_FEWEST_FOR_AN_INTERVAL = 6
"""The extremes of five samples hold the median in 94 % of cases only, those of six in 97 %."""


def is_steady(totals: Sequence[float]) -> bool:
    """Whether the last three calls take as long as the three before them; of fewer than six, halves are compared."""
    window = min(WINDOW, len(totals) // 2)
    if not window:
        return False
    last, before = median(totals[-window:]), median(totals[-2 * window : len(totals) - window])
    return abs(last - before) <= ALIKE * before


def half_width(totals: Sequence[float]) -> float:
    """Relative half-width of the median's 95 % interval by order statistics; infinite below six samples.

    It takes the samples for independent, which those of one process are not.
    """
    count = len(totals)
    if count < _FEWEST_FOR_AN_INTERVAL:
        return math.inf
    ordered = sorted(totals)
    reach = 1.96 * math.sqrt(count) / 2
    low, high = max(0, math.floor(count / 2 - reach)), min(count - 1, math.ceil(count / 2 + reach))
    return (ordered[high] - ordered[low]) / 2 / median(ordered)
