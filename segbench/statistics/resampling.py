"""The bootstrap: what was measured is drawn again with replacement, every statistic on the same draws.

Two blocks are drawn here. A round of processes, of which there are few: `bootstrap_error`, on which
`segbench.statistics.intervals` rests. An image of a data set, of which there are many: `Resampling`; neighbouring
frames of a video (CamVid) resemble each other, so its intervals are somewhat too narrow there. Because every score is
computed on the same draws, differences are paired: what makes an image hard for one network and for another cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

SEED = 20180620
"""Of every draw: the same samples always give the same interval."""
RESAMPLES = 1000
_RESAMPLES_OF_ROUNDS = 500
"""The bootstrap error is then itself known to 3 %, well below what few rounds leave open."""
_TAILS = (2.5, 97.5)


def bootstrap_error(blocks: int, statistic: Callable[[NDArray[np.intp]], float]) -> float:
    """Standard error of a statistic of block numbers, widened by sqrt(R / (R - 1)) for its narrowness with few blocks.

    The same numbers as `scipy.stats.bootstrap`, without the half second that its import takes.

    Args:
        blocks: R, at least 2.
        statistic: of R numbers below R, repeated ones counted as often.
    """
    import numpy as np

    drawn = np.random.default_rng(SEED).integers(0, blocks, (_RESAMPLES_OF_ROUNDS, blocks))
    found = [statistic(chosen) for chosen in drawn]
    return float(np.std(found, ddof=1)) * math.sqrt(blocks / (blocks - 1))


class Resampling:
    """A thousand draws of n images out of n.

    Args:
        images: n.
    """

    def __init__(self, images: int, resamples: int = RESAMPLES) -> None:
        import numpy as np

        drawn = np.random.default_rng(SEED).multinomial(images, np.full(images, 1 / images), size=resamples)
        self.weights: NDArray[np.float64] = drawn.astype(np.float64)
        """`(resamples, n)` how often each image was drawn."""

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of what each image has `(n, ...)` over each draw `(resamples, ...)`: of confusion matrices, say."""
        images = len(values)
        sums: NDArray[np.float64] = self.weights @ values.reshape(images, -1).astype(self.weights.dtype)
        return sums.reshape(-1, *values.shape[1:])

    def mean(self, values: NDArray[Any]) -> Scores:
        """Mean of a value of each image `(n,)` over each draw `(resamples,)`; one without a value (nan) is left out."""
        import numpy as np

        there = ~np.isnan(values)
        weights = self.weights[:, there]
        sums, counts = weights @ values[there].astype(np.float64), weights.sum(1)
        means: Scores = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        return means


def interval(values: Scores) -> tuple[float, float]:
    """The central 95 % of a score over the draws."""
    import numpy as np

    low, high = np.nanpercentile(values, _TAILS)
    return float(low), float(high)
