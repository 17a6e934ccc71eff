"""Claim: measuring adds under 2 % to a step of 5 ms.

`python benchmarks/overhead.py [--milliseconds 5] [--blocks 30]`

The same convolution is run in a plain loop and through everything a timing task puts around it: five laps of the
stopwatch, the throttle probe, progress events to a pipe, the stop rule. Blocks of both take turns; CPU time is counted,
so that other programs disturb little, and the ratio is the median over the blocks. Ends with 1 above 2 %.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch

from segbench.meters.clocks import clock_probe
from segbench.meters.sampling import SamplingPlan, Timing, repeat
from segbench.meters.stopwatch import HostStopwatch
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import PipeReporter
from segbench.tasks.timed import Watched

STEPS = 40
LIMIT = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--milliseconds", type=float, default=5.0)
    parser.add_argument("--blocks", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    step = step_of(options.milliseconds / 1000)
    measured, plain = measured_block(step), plain_block(step)
    ratios = [ratio(measured, plain, first_plain=number % 2 == 0) for number in range(options.blocks)]
    extra = statistics.median(ratios) - 1
    low, high = (100 * (ratio - 1) for ratio in statistics.quantiles(ratios, n=4)[::2])
    each = 1e3 * cpu_seconds(plain) / STEPS
    print(f"a step of {each:.2f} ms: measuring adds {100 * extra:+.2f} % (middle half {low:+.2f} to {high:+.2f} %)")
    sys.exit(0 if extra < LIMIT else 1)


def step_of(seconds: float) -> Callable[[], object]:
    """So many equal convolutions that they take about the wanted time."""
    images, weight = torch.randn(1, 16, 64, 64), torch.randn(16, 16, 3, 3)

    def convolutions(count: int) -> None:
        for _ in range(count):
            torch.conv2d(images, weight, padding=1)

    convolutions(50)
    one = min(cpu_seconds(lambda: convolutions(50)) for _ in range(5)) / 50
    count = max(1, round(seconds / one))
    return lambda: convolutions(count)


def plain_block(step: Callable[[], object]) -> Callable[[], object]:
    def block() -> None:
        for _ in range(STEPS):
            step()

    return block


def measured_block(step: Callable[[], object]) -> Callable[[], object]:
    """As `take_samples` does it: see `segbench.tasks.timed`."""
    watch = HostStopwatch()

    def call() -> Timing:
        watch.start()
        watch.lap("copy_in")
        watch.lap("normalise")
        step()
        watch.lap("forward")
        watch.lap("argmax")
        watch.lap("copy_out")
        return watch.stop()

    def block() -> None:
        with open(os.devnull, "w") as pipe, clock_probe(torch.device("cpu")) as probe:  # noqa: PTH123
            tell = Progress(PipeReporter(pipe)).of("timed")
            repeat(Watched(call, probe), SamplingPlan(min_runs=STEPS, max_runs=STEPS), tell=tell)

    return block


def ratio(measured: Callable[[], object], plain: Callable[[], object], first_plain: bool) -> float:
    before = cpu_seconds(plain) if first_plain else 0.0
    found = cpu_seconds(measured)
    return found / (before or cpu_seconds(plain))


def cpu_seconds(block: Callable[[], object]) -> float:
    start = time.process_time()
    block()
    return time.process_time() - start


if __name__ == "__main__":
    main()
