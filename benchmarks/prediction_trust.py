"""Claim: predicted live bytes equal a real run's on the CPU within 0.1 %, at full width, for every card.

`python benchmarks/prediction_trust.py [--models hrnetv2 ...] [--input 96x64] [--batch 2]`

Each card as the catalogue has it: a training step with SGD and momentum, one with AdamW, and an inference. The real
run is taken from the profiler's memory events, kernels' own scratch apart. Adaptive solvers are told the evaluations
the real run took. Prints one line a comparison; ends with 1 if one is off by more than 0.1 %. With a GPU,
`--device cuda` compares allocated and reserved bytes instead, at batches 1, 4 and 16; the goals are 1 % and 5 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import nn

from segbench.cards.catalogue import card_names
from segbench.estimate.prediction import predict_step
from segbench.estimate.step import trace_step
from segbench.meters.cuda_memory import measure_cuda_peaks
from segbench.meters.live_bytes import measure_live_peaks
from segbench.ode.block import ODEBlock
from segbench.records.case import Case
from segbench.units import MIB, parse_size
from segbench.workload.step import Workload, build_workload

LIVE, ALLOCATED, RESERVED = 0.001, 0.01, 0.05
RUNS = (("train", "sgd"), ("train", "adamw"), ("infer", "none"))
REPEATS = 2
CUDA_BATCHES = (1, 4, 16)

Comparison = tuple[str, int, int, float]
"""What, predicted, real, allowed relative difference."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=card_names())
    parser.add_argument("--input", default="96x64")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width, height = parse_size(options.input)
    failed = 0
    for card in options.models:
        case = Case("memory", card, device=options.device, width=width, height=height, batch_size=options.batch)
        for what, predicted, real, allowed in (on_cpu if options.device == "cpu" else on_cuda)(case):
            off = predicted / real - 1
            failed += abs(off) > allowed
            print(f"{card:18} {what:26} {predicted / MIB:10.2f} {real / MIB:10.2f} MiB {100 * off:+8.4f} %", flush=True)
    print(f"{failed} outside of the limits")
    sys.exit(1 if failed else 0)


def on_cpu(case: Case) -> Iterator[Comparison]:
    """Live bytes of each run."""
    for mode, optimizer in RUNS:
        chosen = replace(case, optimizer=optimizer)
        work = build_workload(chosen, "cpu")
        real = measure_live_peaks(work.network, stepper(work, mode, case.batch_size), REPEATS)[-1].live
        nfe = evaluations(work.network, REPEATS)
        traced = trace_step(maker(chosen), mode, case.batch_size, target="cpu", nfe=nfe)
        yield f"{mode} {optimizer} live", traced.log.peak[1], real, LIVE


def on_cuda(case: Case) -> Iterator[Comparison]:
    """Allocated and reserved bytes of each run and batch."""
    device = torch.device("cuda:0")
    for mode, optimizer in RUNS:
        for batch in CUDA_BATCHES:
            chosen = replace(case, optimizer=optimizer)
            work = build_workload(chosen, device)
            real = measure_cuda_peaks(stepper(work, mode, batch), device, warmup=1, repeats=2)
            found = predict_step(maker(chosen), mode, batch, nfe=evaluations(work.network, 3))
            del work
            torch.cuda.empty_cache()
            yield f"{mode} {optimizer} {batch} allocated", found.allocated, real.allocated, ALLOCATED
            yield f"{mode} {optimizer} {batch} reserved", found.reserved, real.reserved, RESERVED


def evaluations(network: nn.Module, solves: int) -> int | None:
    """Of f in one of so many solves; None for a network without a solver."""
    counts = [block.nfe_forward for block in network.modules() if isinstance(block, ODEBlock)]
    return round(max(counts) / solves) if counts else None


def maker(case: Case) -> Callable[[], Workload]:
    return lambda: build_workload(case, "meta")


def stepper(work: Workload, mode: str, batch: int) -> Callable[[], None]:
    """One step that makes its own batch."""

    def step() -> None:
        if mode == "train":
            work.train_step(*work.make_batch(batch))
        else:
            work.infer(work.make_batch(batch)[0])

    return step


if __name__ == "__main__":
    main()
