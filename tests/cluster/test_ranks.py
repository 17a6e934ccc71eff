"""Two real ranks under gloo hold the bytes that are predicted."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pytest

from segbench.estimate.step import trace_step
from segbench.records.case import Case
from segbench.workload.step import build_workload

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CASE = Case("memory", "segnode-w8", width=64, height=48, optimizer="sgd")

RANK = """
import json, sys, time
from dataclasses import replace
import torch
from torch import distributed, nn
from segbench.cards.model import find_model
from segbench.estimate.fsdp import fully_sharded, local
from segbench.meters.live_bytes import measure_live_peaks
from segbench.records.case import Case
from segbench.workload.optimizer import build_optimizer
from segbench.workload.step import build_workload

def later(call):
    def done(*args, **kwargs):
        found = call(*args, **kwargs)
        time.sleep(0.02)  # gloo's threads let go first: the profiler does not see what they free
        return found
    return done

strategy, case = sys.argv[1], Case.from_json(json.loads(sys.argv[2]))
for name in ("all_gather_into_tensor", "reduce_scatter_tensor"):
    setattr(distributed, name, later(getattr(distributed, name)))
distributed.init_process_group("gloo")
work = build_workload(replace(case, optimizer="none"), "cpu")
if strategy == "fsdp":
    fully_sharded(work.network, distributed.device_mesh.init_device_mesh("cpu", (2,)))
else:
    views = strategy == "ddp-views"
    work = replace(work, network=nn.parallel.DistributedDataParallel(work.network, gradient_as_bucket_view=views))
recipe = find_model(case.model).card.recipe
work = replace(work, optimizer=build_optimizer("sgd", recipe, work.network.parameters()))

class Held:
    def parameters(self):
        return map(local, work.network.parameters())

    def buffers(self):
        return work.network.buffers()

peaks = measure_live_peaks(Held(), lambda: work.train_step(*work.make_batch(1)), 4)
if not distributed.get_rank():
    print("peaks", json.dumps([peak.live for peak in peaks]))
distributed.destroy_process_group()
"""


@pytest.mark.parametrize("strategy", ["ddp", "ddp-views", "fsdp"])
def test_two_ranks_under_gloo_hold_what_is_predicted_within_one_percent(tmp_path: Path, strategy: str) -> None:
    """DDP in a later step, for it makes its buckets anew after the first; FSDP in the first of several runs, of which
    the least counts: what gloo's threads free is sometimes unseen by the profiler, and only adds."""
    found = trace_step(lambda: build_workload(CASE, "meta"), "train", 1, "cpu", strategy=strategy, ranks=2)
    sizes = [found.log.storages[abs(event) - 1].bytes * (1 if event > 0 else -1) for event in found.log.events]
    starts = [mark.position for mark in found.log.marks if mark.phase == "forward"]
    step, within = (0, slice(starts[0], starts[1])) if strategy == "fsdp" else (2, slice(starts[2], None))
    measured = [peaks_of_two_ranks(tmp_path, strategy)[step] for _ in range(4 if strategy == "fsdp" else 1)]
    assert min(measured) == pytest.approx(max(list(accumulate(sizes))[within]), rel=0.01)


def peaks_of_two_ranks(folder: Path, strategy: str) -> list[int]:
    """Live bytes of rank 0, step by step."""
    program = folder / "rank.py"
    program.write_text(RANK)
    command = [*(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program))]
    done = subprocess.run([*command, strategy, json.dumps(CASE.to_json())], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("peaks ")]
    assert lines, done.stderr
    return list(json.loads(lines[0].removeprefix("peaks ")))
