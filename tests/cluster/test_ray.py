"""Ray itself: the same bytes as at home, lost nodes, and files as they were at submission."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cluster.conftest import TwoNodes

if TYPE_CHECKING:
    from tests.cluster.conftest import Command

pytest.importorskip("ray", reason="ray is not installed; make test-cluster makes an environment that has it")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SWEEP = (
    "sweep", "--task", "memory", "-L", "model=unet-w8", "-L", "batch_size=1,2", "--device", "cpu", "--input",
    "32x32",
)  # fmt: skip
NETWORK = """
from torch import nn
import helper

class Net(nn.Conv2d):
    def __init__(self, classes=11):
        super().__init__(3, classes, helper.SIZE)
"""


def on_ray(*more: str) -> tuple[str, ...]:
    return (*SWEEP, "--executor", "ray", *more)


def a_worker() -> psutil.Process:
    """A Ray worker that runs a case."""
    return next(
        process
        for process in psutil.process_iter(["cmdline", "name"])
        if any("ray::_answer" in part for part in process.info["cmdline"] or ())
    )


def test_doctor_shows_the_nodes(two_nodes: TwoNodes, segbench: Callable[[str], Command]) -> None:
    text = segbench(two_nodes.address).run("doctor", "--executor", "ray")
    assert text.count("2.13") == 2


def test_a_file_edited_or_removed_after_submission_is_run_as_it_was(
    two_nodes: TwoNodes, segbench: Callable[[str], Command]
) -> None:
    """With the modules it imports, which the worker has nowhere else."""
    command = segbench(two_nodes.address)
    network, helper = command.folder / "net.py", command.folder / "helper.py"
    network.write_text(NETWORK)
    helper.write_text("SIZE = 3")
    sweep = ("sweep", "--task", "params", "-m", "net.py:Net", "-L", "input=32x32,40x40,48x48", "--device", "cpu")
    process = command.start(*sweep, "--executor", "ray", "--cpus", "1", "--export-csv", "net.csv")
    command.wait_for("1 of 3 cells")
    helper.write_text("SIZE = 1")
    network.unlink()
    assert process.wait() == 0, command.log.read_text()
    text = (command.folder / "net.csv").read_text()
    assert text.count(f",parameters,{3 * 11 * 9 + 11},") == 3


def test_a_worker_killed_in_the_middle_of_a_case_costs_a_try_that_is_recorded(
    two_nodes: TwoNodes, segbench: Callable[[str], Command]
) -> None:
    command = segbench(two_nodes.address)
    process = command.start(*on_ray("--ledger", "ray", "--retries", "3"))
    command.wait_for("1 of 4 cells")
    os.kill(a_worker().pid, signal.SIGKILL)
    assert process.wait() == 0, command.log.read_text()
    lines = command.ledger("ray")
    assert len(lines) == 4 and sum("the worker was lost once before this try" in line for line in lines) == 1


def test_two_nodes_give_the_bytes_of_this_machine_and_a_killed_raylet_loses_nothing(
    two_nodes: TwoNodes, segbench: Callable[[str], Command]
) -> None:
    command = segbench(two_nodes.address)
    process = command.start(*on_ray("--export-csv", "ray.csv", "--ledger", "ray"))
    command.wait_for("1 of 4 cells")
    two_nodes.kill_raylet()
    assert process.wait() == 0, command.log.read_text()
    command.run(*SWEEP, "--export-csv", "local.csv", "--ledger", "local")
    found = command.live_bytes("ray.csv")
    assert len(found) == 3 and found == command.live_bytes("local.csv")


def test_a_killed_head_ends_the_command_in_a_sentence_and_the_same_command_goes_on(
    two_nodes: TwoNodes, segbench: Callable[[str], Command]
) -> None:
    """The last test of these nodes."""
    address = two_nodes.address
    command = segbench(address)
    process = command.start(*on_ray("--ledger", "ray"))
    command.wait_for("1 of 4 cells")
    two_nodes.kill_head()
    assert process.wait() == 2, command.log.read_text()
    assert f"the Ray head at {address} does not answer any more" in command.log.read_text()
    finished = command.ledger("ray")
    with contextlib.closing(TwoNodes(worker=False)) as anew:
        segbench(anew.address).run(*on_ray("--ledger", "ray"))
    lines = command.ledger("ray")
    assert lines[: len(finished)] == finished and 0 < len(finished) < len(lines) == 4


def test_a_missing_cluster_is_one_sentence(segbench: Callable[[str], Command]) -> None:
    command = segbench("127.0.0.1:1")
    assert command.start(*on_ray()).wait() == 2
    assert "no Ray cluster answers at 127.0.0.1:1; start one" in command.log.read_text()
