"""Claim: a case whose process is forked from a server starts at least three times as soon, and measures the same.

`python benchmarks/warm_start.py [--model unet-w8] [--input 96x64] [--rounds 10]`

Rounds of both ways take turns: a fresh interpreter for each case (`cold`), and a fork of a server that has imported
torch (`warm`; `first` where that server has to be started too). Seconds are those from asking for a case to the end of
its first step, whose own work is in both. Peak live bytes must be equal, peak RSS within 3 %, and the times of a
latency and of a training step must not differ significantly. The spread between rounds is shown too: forked processes
share their addresses and their hash seed, which fresh interpreters draw anew, so theirs could be too small. Ends with 1
if the claim does not hold.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from segbench.cells.child import Child
from segbench.cells.server import SERVERS
from segbench.records.case import Case
from segbench.records.quantities import QUANTITIES
from segbench.records.tasks import TASKS
from segbench.statistics.comparison import ComparedValue, Contrast, contrast

WAYS = ("cold", "warm")
FASTER, RSS_WITHIN = 3.0, 0.03
SHORT = {"round_min_runs": 10, "round_max_runs": 30, "round_seconds": 2.0, "images": 1}
MEASURED = ("memory", "latency", "epoch")
TIMES = ("latency_s", "train_step_s")
PEAKS = ("train_peak_live_bytes", "train_peak_process_bytes")


@dataclass
class Found:
    """What the rounds of one way gave: samples of each quantity by round."""

    rounds: dict[str, list[tuple[float, ...]]] = field(default_factory=lambda: defaultdict(list))

    def side(self, way: str, quantity: str) -> ComparedValue:
        rounds = tuple(self.rounds[quantity])
        middle = statistics.median(sample for block in rounds for sample in block)
        known = quantity if quantity in QUANTITIES else "latency_s"  # any time will do: less of it is better
        return ComparedValue(way, known, middle, "measured:host", rounds, session="one run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unet-w8")
    parser.add_argument("--input", default="96x64")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    width, height = (int(side) for side in given.input.split("x"))
    found = {way: Found() for way in (*WAYS, "first")}
    for case in cases(given.model, width, height):
        measure(case, "warm", Found())  # starts the task's server
        for number in range(given.rounds):
            for way in WAYS if number % 2 else WAYS[::-1]:
                measure(case, way, found[way])
    for _ in range(given.rounds):
        SERVERS.end()  # so that the case waits for the server, as the first of a command does
        measure(next(cases(given.model, width, height)), "warm", found["first"])
    sys.exit(0 if report(found) else 1)


def cases(model: str, width: int, height: int) -> Iterator[Case]:
    """One of each task, on one thread, and short: what is compared is the processes."""
    for task in MEASURED:
        case = Case(task, model, width=width, height=height, modes=TASKS[task].modes[:1], threads=1)
        yield case.with_options(**{name: value for name, value in SHORT.items() if hasattr(case.options, name)})


def measure(case: Case, way: str, found: Found) -> None:
    start, first = time.perf_counter(), math.nan
    for event in Child(case.task, case, 600.0, start=way).events():
        if event["event"] == "progress" and math.isnan(first):
            first = time.perf_counter() - start
        if event["event"] == "measured":
            item = event["measurement"]
            found.rounds[item["quantity"]].append(tuple(item["samples"]) or (item["value"],))
        if event["event"] == "outcome" and event["outcome"] != "ok":
            raise SystemExit(f"{case.task}, {way}: {event['outcome']}: {event['cause']}")
    found.rounds[f"seconds to the first step of {case.task}"].append((first,))


def report(found: dict[str, Found]) -> bool:
    """Prints the table; whether the claim holds."""
    cold, warm, first = (found[way] for way in ("cold", "warm", "first"))
    starts = [f"seconds to the first step of {task}" for task in MEASURED]
    soon = [compared(cold, warm, name) for name in starts]
    peaks = [compared(cold, warm, name) for name in PEAKS]
    times = [compared(cold, warm, name) for name in TIMES]
    compared(cold, first, starts[0], "first")
    for name in TIMES:
        print(f"{name}: rounds spread {spread(cold, name):.2%} cold, {spread(warm, name):.2%} warm")
    ratios = [1 / item.ratio for item in soon if item.ratio]
    same = peaks[0].ratio == 1 and abs((peaks[1].ratio or 0) - 1) < RSS_WITHIN
    return min(ratios) >= FASTER and same and all(item.verdict in ("same", "not significant") for item in times)


def compared(cold: Found, warm: Found, quantity: str, way: str = "warm") -> Contrast:
    result = contrast(cold.side("cold", quantity), warm.side(way, quantity))
    low, high = result.low or math.nan, result.high or math.nan
    print(
        f"{quantity:40} cold {result.a.value:14.6g}  {way:5} {result.b.value:14.6g}"
        f"  ratio {result.ratio:.4f} ({low:.4f} to {high:.4f})  {result.verdict}"
    )
    return result


def spread(found: Found, quantity: str) -> float:
    """Standard deviation of the rounds' medians over their mean."""
    medians: Sequence[float] = [statistics.median(block) for block in found.rounds[quantity]]
    return statistics.stdev(medians) / statistics.mean(medians)


if __name__ == "__main__":
    main()
