"""How sure a median is: rounds of fresh processes are resampled, never single samples.

Samples of one process share its memory layout, its clocks and the machine's mood, so they are not independent: an
interval over them is far too narrow. A round is the block of the block bootstrap (Kunsch, Annals of Statistics 17,
1989). Few rounds make the plain percentile bootstrap too narrow as well, because resamples of R blocks reach only as
far as the R blocks do. In simulations of 600 experiments with 20 autocorrelated samples a round (our own, as
`benchmarks/interval_coverage.py`; round effects normal, heavy-tailed, skewed, or one round in five 30 % slower) a
nominal 95 % interval held the true median in

    rounds   percentile bootstrap   t x bootstrap error (used here)
       3          70 - 74 %                94 - 96 %
       5          83 - 88 %                94 - 98 %
       8          87 - 92 %                92 - 97 %
      20          91 - 94 %                94 - 96 %

so the interval is Student's t with R - 1 degrees of freedom times the bootstrap's standard error, the latter widened
by sqrt(R / (R - 1)) for the bootstrap's narrowness (Hesterberg, The American Statistician 69, 2015), on the
logarithm, so that a time's interval stays positive. Drift that outlasts a round breaks any such interval; it is
`stability` that reports it and interleaving that cancels it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segbench.statistics.resampling import bootstrap_error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    SampleBlock = NDArray[np.float64]

RoundSamples = Sequence[Sequence[float]]
"""Positive samples, one sequence for each round."""

LEVEL = 0.95
_PERCENTILES = {"p50": (50, 1), "p90": (90, 10), "p99": (99, 100)}
"""Name -> (percent, fewest samples it can be read from: one sample must lie beyond it)."""


@dataclass(frozen=True)
class MedianEstimate:
    """A median and how sure it is.

    Attributes:
        value: median of all samples.
        low, high: confidence interval; None where the spread between rounds cannot be known.
        rounds, samples: what it rests on.
        blocks: `rounds`, or `batches` where only one round exists: the spread between processes is then unseen.
    """

    value: float
    low: float | None
    high: float | None
    rounds: int
    samples: int
    blocks: str = "rounds"

    @property
    def relative_half_width(self) -> float:
        """Half the interval's width over the value; infinite without an interval."""
        if self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / 2 / self.value


def estimate_median(rounds: RoundSamples, level: float = LEVEL) -> MedianEstimate:
    """The median over all samples of all rounds with its confidence interval.

    One round alone is cut into batches of consecutive samples, which holds the autocorrelation within a process but
    not the spread between processes.

    Raises:
        ValueError: no samples at all, or one that is not positive.
    """
    import numpy as np

    blocks = as_blocks(rounds)
    samples = np.concatenate(blocks)
    value = float(np.median(samples))
    used, kind = (blocks, "rounds") if len(blocks) > 1 else (_batches(samples), "batches")
    if len(used) < 2:
        return MedianEstimate(value, None, None, len(blocks), samples.size, kind)
    error = bootstrap_error(len(used), lambda chosen: log_median(used, chosen))
    half = min(critical_t(len(used) - 1, level) * error, _LARGEST_EXPONENT)
    return MedianEstimate(value, value * math.exp(-half), value * math.exp(half), len(blocks), samples.size, kind)


def percentiles(rounds: RoundSamples) -> dict[str, float | None]:
    """`p50`, `p90`, `p99` over all samples; None where there are too few samples for one to lie beyond it."""
    import numpy as np

    samples = np.concatenate(as_blocks(rounds))
    return {
        name: float(np.percentile(samples, percent)) if samples.size >= fewest else None
        for name, (percent, fewest) in _PERCENTILES.items()
    }


def percentile_by_round(rounds: RoundSamples, name: str) -> tuple[float, ...]:
    """`p50`, `p90` or `p99` of each round alone, however few samples it has."""
    import numpy as np

    percent, _ = _PERCENTILES[name]
    return tuple(float(np.percentile(samples, percent)) for samples in rounds)


def as_blocks(rounds: RoundSamples) -> list[SampleBlock]:
    """The rounds that have samples, as arrays.

    Raises:
        ValueError: no samples at all, or one that is not positive.
    """
    import numpy as np

    blocks = [np.asarray(samples, dtype=float) for samples in rounds if len(samples)]
    if not blocks or min(block.min() for block in blocks) <= 0:
        raise ValueError("a median needs positive samples in at least one round")
    return blocks


def log_median(blocks: Sequence[SampleBlock], chosen: NDArray[np.intp]) -> float:
    """Logarithm of the median of all samples of the chosen blocks, repeated ones counted as often."""
    import numpy as np

    return math.log(np.median(np.concatenate([blocks[index] for index in chosen])))


def critical_t(freedom: float, level: float = LEVEL) -> float:
    """Student's t that a two-sided interval of this level reaches to."""
    from scipy import special

    return float(special.stdtrit(freedom, 0.5 + level / 2))


_LARGEST_EXPONENT = 700.0
"""exp overflows a double just above 709; two rounds that differ wildly must not."""


def _batches(samples: SampleBlock) -> list[SampleBlock]:
    """About sqrt(n) batches of consecutive samples, four to ten; none below sixteen samples."""
    import numpy as np

    count = min(_MOST_BATCHES, int(math.sqrt(samples.size)))
    return np.array_split(samples, count) if count >= _FEWEST_BATCHES else []


_FEWEST_BATCHES, _MOST_BATCHES = 4, 10
"""Student's t of two or three batches makes an interval that says nothing."""
