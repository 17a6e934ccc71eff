"""Ray itself: the same bytes as at home, lost nodes, and files as they were at submission."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import SWEEP, Command, TwoNodes, wait_until

pytest.importorskip("ray", reason="ray is not installed; make test-cluster makes an environment that has it")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NETWORK = """
import time
from pathlib import Path
from torch import nn
import helper

class Net(nn.Conv2d):
    '''When it is gated, it tells that it is built, and waits until the test says go.'''

    def __init__(self, classes=11, gated=False):
        if gated:
            Path({folder!r}, "started").touch()
        while gated and not Path({folder!r}, "go").exists():
            time.sleep(0.1)
        super().__init__(3, classes, helper.SIZE)
"""
PARAMETERS = 3 * 11 * 9 + 11
ON_RAY = ("--executor", "ray", "--ledger", "ray")


def params_of_a_file(folder: Path, *axes: str) -> tuple[str, ...]:
    """A sweep over a network of the user's, of one core a case."""
    (folder / "net.py").write_text(NETWORK.format(folder=str(folder)))
    (folder / "helper.py").write_text("SIZE = 3")
    varied = [word for axis in axes for word in ("-L", axis)]
    return ("sweep", "--task", "params", "-m", "net.py:Net", *varied, "--device", "cpu", "--cpus", "1", *ON_RAY)


def test_doctor_shows_the_nodes(two_nodes: TwoNodes, segbench: Callable[[str], Command]) -> None:
    text = segbench(two_nodes.address).run("doctor", "--executor", "ray")
    assert text.count("2.13") == 2


@pytest.fixture(scope="module")
def disturbed(two_nodes: TwoNodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Three cases on two workers: in their middle the files are edited and removed, and a worker is killed."""
    command = Command(tmp_path_factory.mktemp("disturbed"), two_nodes.address)
    folder, head = command.folder, two_nodes.cluster.head_node
    sweep = params_of_a_file(folder, "argument.gated=true", "input=32x32,40x40,48x48")
    process = command.start(*sweep, "--export-csv", "net.csv")
    try:
        wait_until(lambda: (folder / "started").exists() and two_nodes.busy(head), command.log)
        (folder / "helper.py").write_text("SIZE = 1")
        (folder / "net.py").unlink()
        two_nodes.busy(head)[0].kill()
        (folder / "go").touch()
        assert process.wait() == 0, command.log.read_text()
        yield command
    finally:
        command.end()


def test_a_worker_killed_in_the_middle_of_a_case_costs_a_try_that_is_recorded(disturbed: Command) -> None:
    lines = disturbed.ledger("ray")
    assert len(lines) == 3 and sum("the worker was lost once before this try" in line for line in lines) == 1


def test_a_file_edited_or_removed_after_submission_is_run_as_it_was(disturbed: Command) -> None:
    """With the modules it imports, which the worker has nowhere else; also where a case is tried again."""
    assert (disturbed.folder / "net.csv").read_text().count(f",parameters,{PARAMETERS},") == 3


@pytest.fixture
def for_clients(two_nodes: TwoNodes, tmp_path: Path) -> Iterator[str]:
    """Address of a server of Ray's clients, as `ray start --head` starts one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = [sys.executable, "-m", "ray.util.client.server", "--mode=legacy", f"--address={two_nodes.address}"]
    log = tmp_path / "server"
    with (
        log.open("wb") as out,
        subprocess.Popen([*server, "--host=127.0.0.1", f"--port={port}"], stdout=out, stderr=out) as process,
    ):
        try:
            wait_until(lambda: listens(port), log)
            yield f"ray://127.0.0.1:{port}"
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_a_machine_outside_of_the_cluster_asks_as_a_client(
    for_clients: str, segbench: Callable[[str], Command]
) -> None:
    command = segbench("")
    sweep = params_of_a_file(command.folder, "input=32x32")
    command.run(*sweep, "--address", for_clients, "--export-csv", "net.csv")
    assert f",parameters,{PARAMETERS}," in (command.folder / "net.csv").read_text()


def test_a_case_that_no_node_can_hold_is_refused(two_nodes: TwoNodes, segbench: Callable[[str], Command]) -> None:
    command = segbench(two_nodes.address)
    params = ("sweep", "params", "-m", "unet-w8", "-L", "input=32x32", "--device", "cpu")
    assert command.start(*params, *ON_RAY, "--cpus", "9").wait() == 2, command.log.read_text()
    assert "needs 9 CPUs of one node, and no node of the Ray cluster has more than 1" in command.log.read_text()


def test_two_nodes_give_the_bytes_of_this_machine_and_a_killed_raylet_loses_nothing(
    two_nodes: TwoNodes, segbench: Callable[[str], Command], bytes_at_home: dict[tuple[str, ...], str]
) -> None:
    command = segbench(two_nodes.address)
    process = command.start(*SWEEP, *ON_RAY, "--export-csv", "ray.csv")
    command.wait_for("1 of 8 cells")
    wait_until(lambda: two_nodes.busy(two_nodes.worker), command.log)
    two_nodes.kill_raylet()
    assert process.wait() == 0, command.log.read_text()
    assert command.live_bytes("ray.csv") == bytes_at_home
    assert any("the worker was lost once before this try" in line for line in command.ledger("ray"))


def test_a_killed_head_ends_the_command_in_a_sentence_and_the_same_command_goes_on(
    two_nodes: TwoNodes, segbench: Callable[[str], Command]
) -> None:
    """The last test of these nodes."""
    address = two_nodes.address
    command = segbench(address)
    sweep = params_of_a_file(command.folder, "argument.gated=false,true")
    process = command.start(*sweep)
    command.wait_for("1 of 2 cells")
    two_nodes.kill_head()
    assert process.wait() == 2, command.log.read_text()
    assert f"the Ray head at {address} does not answer any more" in command.log.read_text()
    (finished,) = command.ledger("ray")
    (command.folder / "go").touch()
    with contextlib.closing(TwoNodes(worker=False)) as anew:
        segbench(anew.address).run(*sweep)
    assert [line == finished for line in command.ledger("ray")] == [True, False]


def test_a_missing_cluster_is_one_sentence(segbench: Callable[[str], Command]) -> None:
    command = segbench("127.0.0.1:1")
    assert command.start(*SWEEP, *ON_RAY).wait() == 2
    assert "no Ray cluster answers at 127.0.0.1:1; start one" in command.log.read_text()
