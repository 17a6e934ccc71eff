"""What looks wrong with a set of samples, as values: each with what was seen and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from segbench.statistics.intervals import RoundSamples


@dataclass(frozen=True)
class Advice:
    """One warning about a number.

    Attributes:
        kind: `few_samples`, `one_round`, `spread`, `outliers`, `slow_first_run`, `rounds_differ`, `drift`,
            `not_steady`, `busy` or `throttled`.
        seen: what was found, with its figure.
        next_step: what to do about it.
    """

    kind: str
    seen: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.next_step}"


@dataclass(frozen=True)
class Circumstances:
    """What the machine did while the samples were taken.

    Attributes:
        unsteady: rounds whose warm-up ended before the calls were alike.
        others_cores: cores that other programs used, for each round.
        throttled: samples taken while the GPU was slowed down; they are kept.
        throttled_by: why.
    """

    unsteady: int = 0
    others_cores: tuple[float, ...] = ()
    throttled: int = 0
    throttled_by: tuple[str, ...] = ()


_FEWEST_SAMPLES = 10
_WIDE, _VERY_WIDE = 0.10, 0.25
"""Interquartile range over median from which torch.utils.benchmark warns, and warns strongly."""
_OUTLIER_SCORE = 14.826
"""hyperfine's threshold of the modified z-score: one in a million even for long tails."""
_FEWEST_FOR_OUTLIERS = 6
"""The median deviation of fewer samples is itself an accident."""
_OUTLIER_EXCESS = 1.05
"""On a very quiet machine a microsecond is already many deviations away; below 5 % nobody needs to know."""
_BUSY_CORES = 0.25
_ROUNDS_APART = 0.05
_DRIFT_CHANGE, _DRIFT_P = 0.03, 0.05
_FEWEST_FOR_DRIFT = 5
"""Kendall's tau of four rounds cannot reach p = 0.05."""

_QUIETER = "close other programs, fix the clocks, or raise --rounds"


def advise(rounds: RoundSamples, seen: Circumstances | None = None) -> tuple[Advice, ...]:
    """Every warning about samples of the same thing; none for a quiet set on a quiet machine.

    Args:
        rounds: samples in the order taken, warm-up not included.
        seen: what went on meanwhile.
    """
    blocks = [np.asarray(samples, dtype=float) for samples in rounds if len(samples)]
    if not blocks:
        return ()
    checks: tuple[Callable[[list[NDArray[np.float64]]], Advice | None], ...] = (
        _few_samples,
        _one_round,
        _spread,
        _slow_first_run,
        _outliers,
        _drift,
        _rounds_differ,
    )
    found = [advice for check in checks if (advice := check(blocks))]
    explained = any(advice.kind in ("drift", "spread") for advice in found)
    kept = [advice for advice in found if not (explained and advice.kind == "rounds_differ")]
    if seen is not None:
        kept += _about_the_machine(seen, sum(block.size for block in blocks), len(blocks))
    return tuple(kept)


def _about_the_machine(seen: Circumstances, samples: int, rounds: int) -> Iterator[Advice]:
    if 2 * seen.unsteady > rounds:
        what = f"{seen.unsteady} of {rounds} warm-ups ended before the calls were alike"
        yield Advice("not_steady", what, "raise --max-seconds or --warmup")
    busy = median(seen.others_cores) if seen.others_cores else 0.0
    if busy >= _BUSY_CORES:
        what = f"other programs used {busy:.1f} cores meanwhile"
        yield Advice("busy", what, "close them; what was interleaved in one command still compares")
    if seen.throttled:
        what = f"the GPU was slowed down in {seen.throttled} of {samples} samples ({', '.join(seen.throttled_by)})"
        yield Advice("throttled", what, "cool it, or fix its clocks lower (nvidia-smi --lock-gpu-clocks)")


def _few_samples(blocks: list[NDArray[np.float64]]) -> Advice | None:
    count = sum(block.size for block in blocks)
    if count >= _FEWEST_SAMPLES:
        return None
    return Advice("few_samples", f"only {count} samples", "raise --min-runs or --max-seconds")


def _one_round(blocks: list[NDArray[np.float64]]) -> Advice | None:
    if len(blocks) > 1:
        return None
    return Advice("one_round", "one process only, so the spread between processes is unseen", "raise --rounds")


def _spread(blocks: list[NDArray[np.float64]]) -> Advice | None:
    """Within rounds alone, so that it says something else than `rounds_differ`."""
    centred = np.concatenate([block / np.median(block) for block in blocks])
    low, high = np.percentile(centred, [25, 75])
    spread = high - low
    if spread < _WIDE:
        return None
    strength = "very wide" if spread >= _VERY_WIDE else "wide"
    return Advice(
        "spread", f"the spread is {strength}: its middle half spans {100 * spread:.0f} % of the median", _QUIETER
    )


def _slow_first_run(blocks: list[NDArray[np.float64]]) -> Advice | None:
    """The first sample of most rounds is an outlier: the warm-up ended too early."""
    slow = [block for block in blocks if block.size >= 3 and _is_outlier(block)[0] and block[0] > np.median(block)]
    if 2 * len(slow) <= len(blocks):
        return None
    excess = float(np.median([block[0] / np.median(block[1:]) for block in slow])) - 1
    return Advice("slow_first_run", f"the first run of a round takes {100 * excess:.0f} % longer", "raise --warmup")


def _outliers(blocks: list[NDArray[np.float64]]) -> Advice | None:
    flags = [flag for block in blocks if block.size >= _FEWEST_FOR_OUTLIERS for flag in _is_outlier(block)[1:]]
    found = int(sum(flags))
    if not found:
        return None
    return Advice(
        "outliers",
        f"{found} of {len(flags)} samples lie far from the median (modified z-score above {_OUTLIER_SCORE:g})",
        "something else ran; they are kept, the median hardly moves, but do not trust p99",
    )


def _is_outlier(block: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Iglewicz and Hoaglin's modified z-score, 0.6745 |x - median| / MAD, within one round."""
    centre = np.median(block)
    deviation = np.abs(block - centre)
    scale = np.median(deviation)
    far = 0.6745 * deviation > _OUTLIER_SCORE * scale
    return np.asarray(far & (np.maximum(block, centre) > _OUTLIER_EXCESS * np.minimum(block, centre)))


def _drift(blocks: list[NDArray[np.float64]]) -> Advice | None:
    """Rounds that go one way: Kendall's rank correlation with their number."""
    medians = np.array([np.median(block) for block in blocks])
    if medians.size < _FEWEST_FOR_DRIFT:
        return None
    from scipy import stats  # here, because it takes half a second that `--help` need not wait for

    order = stats.kendalltau(np.arange(medians.size), medians)
    third = max(1, medians.size // 3)
    change = np.median(medians[-third:]) / np.median(medians[:third]) - 1
    if not (order.pvalue < _DRIFT_P and abs(change) > _DRIFT_CHANGE):
        return None
    direction = "slower" if change > 0 else "faster"
    return Advice(
        "drift",
        f"later rounds are {100 * abs(change):.0f} % {direction} than the first",
        "the machine warms up or something else runs; measure rivals in one command, which interleaves them",
    )


def _rounds_differ(blocks: list[NDArray[np.float64]]) -> Advice | None:
    medians = np.array([np.median(block) for block in blocks])
    apart = medians.max() / medians.min() - 1
    if medians.size < 2 or apart < _ROUNDS_APART:
        return None
    return Advice("rounds_differ", f"the medians of the rounds lie {100 * apart:.0f} % apart", _QUIETER)
