"""submitit's local executor in Slurm's place: the same way, without the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.conftest import Command

pytest.importorskip("submitit", reason="submitit is not installed; make test-cluster makes an environment that has it")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_jobs_of_slurm_give_the_bytes_of_this_machine(segbench: Callable[[str], Command]) -> None:
    command = segbench("")
    sweep = (
        "sweep",
        "--task",
        "memory",
        "-m",
        "unet-w8",
        "-L",
        "batch_size=1,2",
        "--device",
        "cpu",
        "--input",
        "32x32",
    )
    slurm = ("--executor", "slurm", "--address", "local", "--time", "30")
    command.run(*sweep, "--input", "32x32", *slurm, "--export-csv", "slurm.csv", "--ledger", "slurm")
    command.run(*sweep, "--input", "32x32", "--export-csv", "local.csv", "--ledger", "local")
    found = command.live_bytes("slurm.csv")
    assert len(found) == 3 and found == command.live_bytes("local.csv")
