"""Claims of `statistics/intervals.py` and `statistics/comparison.py`, by simulation.

`python benchmarks/interval_coverage.py [--tries 300]`

First: how often a 95 % interval of the median holds the truth, for round effects of four kinds. Second: how often the
same thing measured twice is called different, one after the other and interleaved, on a machine that drifts. Ends with
1 where an interval holds less often than 90 %, or more than one comparison in ten is wrong.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segbench.statistics.comparison import ComparedValue, contrast
from segbench.statistics.intervals import estimate_median

SAMPLES = 20
Effects = NDArray[np.float64]
"""Logarithm of the machine's slowness, for each round."""
World = Callable[[np.random.Generator, int], Effects]

KINDS: dict[str, World] = {
    "normal, 2 %": lambda rng, rounds: 0.02 * rng.standard_normal(rounds),
    "heavy tails": lambda rng, rounds: 0.02 * rng.standard_t(2.5, rounds),
    "skewed": lambda rng, rounds: 0.03 * (rng.exponential(1, rounds) - math.log(2)),
    "1 in 5 busy": lambda rng, rounds: 0.005 * rng.standard_normal(rounds) + 0.3 * (rng.random(rounds) < 0.2),
}


def autoregressive(rng: np.random.Generator, rounds: int) -> Effects:
    """0.8 from round to round, 3 % spread."""
    found = [rng.standard_normal()]
    for _ in range(rounds - 1):
        found.append(0.8 * found[-1] + 0.6 * rng.standard_normal())
    return 0.03 * np.array(found)


def regimes(rng: np.random.Generator, rounds: int) -> Effects:
    """Busy or idle, 30 % apart, each for about seven rounds."""
    changes = rng.random(rounds) < 0.15
    busy = (np.cumsum(changes) + rng.integers(2)) % 2
    return 0.3 * busy + 0.005 * rng.standard_normal(rounds)


DRIFTS: dict[str, World] = {"none": KINDS["normal, 2 %"], "AR(1), 0.8": autoregressive, "regimes": regimes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=300)
    tries = parser.parse_args().tries
    rng = np.random.default_rng(20181018)
    print("how often a 95 % interval holds the median of all rounds there could be")
    held = [
        print_row(name, [coverage(rng, world, rounds, tries) for rounds in (3, 5, 8)]) for name, world in KINDS.items()
    ]
    print("\nhow often the same thing twice is called different: one after the other | interleaved")
    wrong = [
        print_row(
            f"{name}, {rounds} rounds", [false_alarms(rng, world, rounds, tries, paired) for paired in (False, True)]
        )
        for name, world in DRIFTS.items()
        for rounds in (5, 8)
    ]
    sys.exit(0 if min(map(min, held)) >= 0.90 and max(map(max, wrong)) <= 0.10 else 1)


def print_row(name: str, shares: list[float]) -> list[float]:
    print(f"{name:22}" + "".join(f"{100 * share:8.1f} %" for share in shares), flush=True)
    return shares


def coverage(rng: np.random.Generator, world: World, rounds: int, tries: int) -> float:
    truth = float(np.median(samples(rng, world(rng, 4000))))
    found = [estimate_median(samples(rng, world(rng, rounds)).tolist()) for _ in range(tries)]
    return float(np.mean([item.low is not None and item.low <= truth <= (item.high or 0) for item in found]))


def false_alarms(rng: np.random.Generator, world: World, rounds: int, tries: int, paired: bool) -> float:
    wrong = 0
    for _ in range(tries):
        machine = world(rng, 2 * rounds)
        first, second = machine[:rounds], machine[:rounds] if paired else machine[rounds:]
        a, b = (reading(name, rng, effects, paired) for name, effects in (("a", first), ("b", second)))
        wrong += contrast(a, b).verdict in ("less", "more")
    return wrong / tries


def reading(name: str, rng: np.random.Generator, effects: Effects, paired: bool) -> ComparedValue:
    """Each process has a small effect of its own besides the machine's."""
    taken = samples(rng, effects + 0.003 * rng.standard_normal(effects.size))
    rounds = tuple(map(tuple, taken.tolist()))
    return ComparedValue(name, "latency_s", float(np.median(taken)), "measured:host", rounds, "s" if paired else None)


def samples(rng: np.random.Generator, effects: Effects) -> NDArray[np.float64]:
    """`(rounds, samples)` of about 1, heavy-tailed and autocorrelated within a round."""
    noise = 0.01 * rng.standard_t(4, (effects.size, SAMPLES))
    for column in range(1, SAMPLES):
        noise[:, column] = 0.6 * noise[:, column - 1] + 0.8 * noise[:, column]
    return np.asarray(np.exp(effects[:, None] + noise))


if __name__ == "__main__":
    main()
