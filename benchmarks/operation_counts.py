"""Claims: the networks cost what was counted by hand, three counters agree, and counting is quicker than running.

`python benchmarks/operation_counts.py [--input 480x360]`

At 480x360 the hand counts are those of the networks' definitions (convolutions only). The time of a count on `meta` is
set beside that of one forward pass on the CPU, one thread, in the same run. Ends with 1 where a count is off by 1 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch

from segbench.meters.operations import count_operations
from segbench.meters.operations_crosscheck import count_with_fvcore, count_with_torch
from segbench.records.case import Case
from segbench.units import parse_size
from segbench.workload.step import build_workload

BY_HAND = {"hrnetv2": 62.26e9, "baseline": 35.2e9, "unet": 126.9e9, "segnode": 4 * 9.74e9 + 1.12e9 + 0.01e9}
"""SegNode: four evaluations of f, entry and exit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default="480x360")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = parse_size(options.input)
    print(f"{'network':10} {'by hand':>9} {'counted':>9} {'torch':>9} {'fvcore':>9}   count / forward")
    right = [judged(name, Case("params", name, width=width, height=height)) for name in BY_HAND]
    sys.exit(0 if all(right) else 1)


def judged(name: str, case: Case) -> bool:
    """Prints one line; whether all counts agree, with the hand's too at its size."""
    workload = build_workload(case, "meta")
    images = workload.make_batch(1)[0]
    workload.infer(images)  # the first call on meta imports PyTorch's shape rules
    started = time.perf_counter()
    counted = count_operations(workload.network, lambda: workload.infer(images)).total_macs
    counting = time.perf_counter() - started
    torchs = count_with_torch(lambda: workload.infer(images))
    real = build_workload(case, "cpu")
    pictures = real.make_batch(1)[0]
    running = min(seconds(lambda: real.infer(pictures)) for _ in range(2))
    fvcores = count_with_fvcore(real.network.eval(), pictures)
    known = BY_HAND[name] if (case.width, case.height) == (480, 360) else float(counted)
    figures = " ".join(f"{(value or 0) / 1e9:8.2f}G" for value in (known, counted, torchs.macs, fvcores.macs))
    print(f"{name:10} {figures}   {counting / running:.2f}", flush=True)
    agree = not (torchs.disagrees_with(counted) or fvcores.disagrees_with(counted))
    return agree and abs(counted - known) <= 0.01 * known


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
