"""FSDP2: bytes of one rank, by hand; `tests/cluster/test_ranks.py` sets them beside two real ranks."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import pytest
from torch import nn

from segbench.estimate.log import StorageLog
from segbench.estimate.step import Traced, trace_step
from segbench.records.case import Case
from segbench.workload.sharing import units
from segbench.workload.step import build_workload

CASE = Case("memory", "unet-w8", width=32, height=32, optimizer="sgd")


def traced(strategy: str, ranks: int, case: Case = CASE) -> Traced:
    return trace_step(lambda: build_workload(case, "meta"), "train", 1, "cpu", strategy=strategy, ranks=ranks)


def live_at(log: StorageLog) -> list[int]:
    """Bytes alive after every event."""
    return list(accumulate(log.storages[abs(event) - 1].bytes * (1 if event > 0 else -1) for event in log.events))


def resting(found: Traced) -> int:
    """Bytes between two steps, gradients among them."""
    (position,) = [mark.position for mark in found.log.marks if (mark.step, mark.phase) == (3, "forward")]
    return live_at(found.log)[position - 1]


def padded_bytes(ranks: int) -> int:
    """A rank's part of all parameters: rows of the first dimension, rounded up."""
    shapes = [item.shape for item in build_workload(CASE, "meta").network.parameters()]
    return sum(4 * -(-shape[0] // ranks) * shape[1:].numel() for shape in shapes)


def buffers() -> int:
    return sum(item.nbytes for item in build_workload(CASE, "meta").network.buffers())


@pytest.mark.parametrize("ranks", [2, 8])
def test_between_steps_a_rank_holds_its_part_of_parameters_gradients_and_momenta(ranks: int) -> None:
    assert resting(traced("fsdp", ranks)) == 3 * padded_bytes(ranks) + buffers()


def test_more_ranks_take_less_each_and_ddp_takes_more_than_one_process() -> None:
    peaks = {name: max(live_at(traced(*name).log)) for name in [("single", 1), ("ddp", 2), ("fsdp", 2), ("fsdp", 8)]}
    assert peaks["fsdp", 8] < peaks["fsdp", 2] and peaks["single", 1] < peaks["ddp", 2]


def test_torchs_own_collectives_are_no_unknown_operators() -> None:
    gathering = replace(CASE, optimizer="muon")  # works on whole matrices, which it gathers itself
    assert traced("fsdp", 2, gathering).warnings == traced("single", 1, gathering).warnings


def test_a_list_of_blocks_is_gathered_block_by_block() -> None:
    blocks = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    network = nn.Sequential(nn.ReLU(), blocks, nn.Linear(2, 1))
    assert list(units(network)) == [blocks[0], blocks[1], network[2], network]
