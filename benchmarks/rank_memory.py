"""FSDP2's memory a rank: predicted, by PyTorch's own tracker, and measured of real ranks under gloo.

    python benchmarks/rank_memory.py [-m MODEL ...] [--ranks N]

PyTorch's `FSDPMemTracker` follows a real step of one process whose group moves nothing; ours follows a step without
numbers. Both count bytes of live tensors in the second step, when the optimizer has its state.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
from torch import distributed

from segbench.estimate.step import trace_step
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import MemoryOptions
from segbench.tasks import memory
from segbench.workload.sharing import fully_sharded
from segbench.workload.step import Workload, build_workload

_MODELS = ["unet-w8", "segnode-w8", "hrnetv2-small"]


class Heard:
    """Keeps the live bytes of all ranks."""

    ranks: list[int]

    def measured(self, measurement: Measurement) -> None:
        if measurement.quantity == "train_peak_live_bytes":
            self.ranks = list(measurement.detail["ranks"])

    def progress(self, stage: str, done: int, total: int, **extra: object) -> None:
        pass

    def note(self, sentence: str) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", action="append", help="repeatable")
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args()
    print("| network | measured, rank 0 | predicted | ratio | FSDPMemTracker | ratio |\n|---|---|---|---|---|---|")
    for model in asked.model or _MODELS:
        case = Case("memory", model, width=64, height=48, modes=("train",), optimizer="sgd", threads=1, warmup=0)
        case = replace(case, options=MemoryOptions(strategy="fsdp", ranks=asked.ranks))
        real, ours, theirs = measured(case), predicted(case), tracked(case)
        print(f"| {model} | {real:,} | {ours:,} | {ours / real:.4f} | {theirs:,} | {theirs / real:.4f} |", flush=True)


def measured(case: Case) -> int:
    heard = Heard()
    memory.run(case, heard)
    return heard.ranks[0]


def predicted(case: Case) -> int:
    ranks = case.options_as(MemoryOptions).ranks
    found = trace_step(lambda: build_workload(case, "meta"), "train", 1, "cpu", strategy="fsdp", ranks=ranks)
    return found.log.peak[1]


def tracked(case: Case) -> int:
    """The peak that PyTorch's tracker tells of a second step."""
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
    from torch.testing._internal.distributed.fake_pg import FakeStore

    ranks = case.options_as(MemoryOptions).ranks
    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        work = _sharded(case, ranks)
        images, labels = work.make_batch(1)
        tracker = FSDPMemTracker(work.network, work.optimizer)
        tracker.track_inputs((images, labels))
        with tracker:
            work.train_step(images, labels)
            tracker.reset_mod_stats()
            work.train_step(images, labels)
        return int(tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"])
    finally:
        distributed.destroy_process_group()


def _sharded(case: Case, ranks: int) -> Workload:
    work = build_workload(replace(case, optimizer="none"), "cpu")
    fully_sharded(work.network, distributed.device_mesh.init_device_mesh("cpu", (ranks,)))
    return replace(work, optimizer=torch.optim.SGD(work.network.parameters(), lr=0.1, momentum=0.9))


if __name__ == "__main__":
    main()
