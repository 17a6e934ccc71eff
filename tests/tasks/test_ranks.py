"""Ranks as processes of their own: what they tell together, and what one that fails leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import torch
from torch import distributed

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.records.options import MemoryOptions
from segbench.tasks import memory
from segbench.tasks.protocol import Reporter
from segbench.tasks.ranks import by_ranks, device_of_rank
from tests.tasks.conftest import Collected

TWO = Case("memory", "unet-w8", options=MemoryOptions(strategy="ddp", ranks=2))


def tell_rank(case: Case, report: Reporter) -> None:
    """Every rank joins in a sum, so that none is alone."""
    total = torch.ones(1)
    distributed.all_reduce(total)
    report.note(f"{int(total)} ranks")
    report.measured(Measurement("parameters", 7, "counted"))
    report.measured(Measurement("train_peak_live_bytes", 10 + distributed.get_rank(), "measured:host"))


def refuse(case: Case, report: Reporter) -> None:
    if distributed.get_rank() == 1:
        raise UserError("this rank does not want to")
    distributed.barrier()


def be_killed(case: Case, report: Reporter) -> None:
    if distributed.get_rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()


def lack_memory(case: Case, report: Reporter) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_the_rank_that_needs_most_is_told_beside_all_of_them_and_notes_come_once(report: Collected) -> None:
    by_ranks(tell_rank, TWO, report)
    assert report.notes == ["2 ranks"]
    assert (report.rows["parameters"].value, report.rows["parameters"].detail) == (7, {})
    live = report.rows["train_peak_live_bytes"]
    assert (live.value, live.detail) == (11, {"ranks": [10, 11]})


@pytest.mark.parametrize(
    ("task", "error", "words"),
    [
        (refuse, UserError, "this rank does not want to"),
        (be_killed, RuntimeError, "rank 1 ended without an answer, killed by SIGKILL"),
        (lack_memory, MemoryError, "OutOfMemoryError: CUDA out of memory"),
    ],
)
def test_a_rank_that_fails_ends_the_others_with_its_reason(
    report: Collected, task: Callable[[Case, Reporter], None], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        by_ranks(task, TWO, report)


@pytest.mark.parametrize(
    ("first", "devices"), [("cuda:1", ["cuda:1", "cuda:2"]), ("cuda", ["cuda:0", "cuda:1"]), ("cpu", ["cpu", "cpu"])]
)
def test_ranks_take_the_gpus_from_the_one_that_was_named_on(first: str, devices: list[str]) -> None:
    assert [device_of_rank(first, rank) for rank in range(2)] == devices


def test_more_processes_than_memory_holds_are_not_started(report: Collected) -> None:
    crowd = Case("memory", "unet-w8", options=MemoryOptions(strategy="ddp", ranks=2**16))
    with pytest.raises(UserError, match=r"65536 ranks are as many processes .* GiB are free; take fewer"):
        by_ranks(tell_rank, crowd, report)


def test_fsdp_needs_two_ranks(report: Collected) -> None:
    alone = Case("memory", "unet-w8", options=MemoryOptions(strategy="fsdp"))
    with pytest.raises(UserError, match="with ranks, from 2"):
        memory.run(alone, report)
