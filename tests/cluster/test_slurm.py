"""submitit's local executor in Slurm's place: the same way, without the queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.conftest import INPUT, Command

pytest.importorskip("submitit", reason="submitit is not installed; make test-cluster makes an environment that has it")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_jobs_of_slurm_give_the_bytes_of_this_machine(
    segbench: Callable[[str], Command], bytes_at_home: dict[tuple[str, ...], str]
) -> None:
    command = segbench("")
    sweep = ("sweep", "memory", "-m", "unet-w8", "-L", "batch_size=1", "--device", "cpu", "--input", INPUT)
    command.run(*sweep, "--executor", "slurm", "--address", "local", "--time", "30", "--export-csv", "slurm.csv")
    found = command.live_bytes("slurm.csv")
    assert len(found) == 2 and found.items() <= bytes_at_home.items()
