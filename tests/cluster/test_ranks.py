"""Real ranks under gloo hold the bytes that are predicted of them."""

from __future__ import annotations

from itertools import accumulate

import pytest

from segbench.estimate.step import trace_step
from segbench.records.case import Case
from segbench.records.options import MemoryOptions
from segbench.tasks import memory
from segbench.workload.step import build_workload
from tests.tasks.conftest import Collected

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

RANKS = 2


def case_of(strategy: str, model: str = "segnode-w8") -> Case:
    options = MemoryOptions.parse({"strategy": strategy, "ranks": RANKS})
    return Case(
        "memory", model, width=64, height=48, modes=("train",), optimizer="sgd", threads=1, warmup=0, options=options
    )


def predicted(case: Case, strategy: str) -> int:
    """Of a step for which the optimizer has its state already."""
    found = trace_step(lambda: build_workload(case, "meta"), "train", 1, "cpu", strategy=strategy, ranks=RANKS)
    sizes = [found.log.storages[abs(event) - 1].bytes * (1 if event > 0 else -1) for event in found.log.events]
    last = [mark.position for mark in found.log.marks if mark.phase == "forward"][-1]
    return max(list(accumulate(sizes))[last:])


@pytest.mark.parametrize(
    ("strategy", "model", "tolerance"),
    [
        ("fsdp", "segnode-w8", 0.0),
        ("fsdp", "unet-w8", 0.0),
        ("ddp", "segnode-w8", 0.01),
        ("ddp-views", "unet-w8", 0.01),
    ],
)
def test_two_ranks_hold_what_is_predicted_fsdps_to_the_byte(strategy: str, model: str, tolerance: float) -> None:
    """DDP also sends running statistics around in small copies that gloo frees unseen."""
    case, heard = case_of(strategy, model), Collected()
    memory.run(case, heard)
    row = heard.rows["train_peak_live_bytes"]
    assert len(row.detail["ranks"]) == RANKS and row.value == max(row.detail["ranks"])
    assert row.value == pytest.approx(predicted(case, strategy), rel=tolerance, abs=0)
