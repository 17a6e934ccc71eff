"""A Ray cluster of two nodes on this machine, and submitit's local executor: `make test-cluster`."""

from __future__ import annotations

import contextlib
import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

os.environ |= {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_worker_niceness": "0",  # by Ray's usual 15 a worker gets nearly nothing of a busy machine
}
STORE = 80 * 2**20
"""Bytes of a node's object store: the least that Ray takes."""
PATIENCE_S = 240.0
"""For what takes seconds on a quiet machine."""

INPUT = "64x64"
SWEEP = (
    "sweep", "--task", "memory", "-L", "model=unet-w8,hrnetv2-small", "-L", "batch_size=1,2", "--device", "cpu",
    "--input", INPUT,
)  # fmt: skip


class TwoNodes:
    """A head and, if wanted, a worker node, of one core each, every one with its own raylet."""

    def __init__(self, worker: bool = True) -> None:
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": STORE}
        with _small_agents():
            self.cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
            self.worker = self.cluster.add_node(**node) if worker else None
        self.cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def busy(self, node: Any) -> list[psutil.Process]:
        """Ray's workers of a node that run a case now."""
        (raylet,) = node.all_processes["raylet"]
        found = psutil.Process(raylet.process.pid).children(recursive=True)
        return [process for process in found if "ray::_answer" in " ".join(process.cmdline())]

    def kill_raylet(self) -> None:
        """Of the worker node, as a power cut would."""
        self.cluster.remove_node(self.worker, allow_graceful=False)

    def kill_head(self) -> None:
        """With all that ran on it."""
        self.cluster.remove_node(self.cluster.head_node, allow_graceful=False)

    def close(self) -> None:
        self.cluster.shutdown()


@contextlib.contextmanager
def _small_agents() -> Iterator[None]:
    """A raylet waits 15 s for its agent; one that serves no dashboard starts also while the machine is busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray._private.utils.get_dashboard_dependency_error", lambda: ImportError("not wanted here"))
        yield


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[TwoNodes]:
    """One cluster for all tests; the last ones end first its worker node and then its head."""
    nodes = TwoNodes()
    yield nodes
    nodes.close()


def wait_until(there: Callable[[], object], log: Path) -> None:
    """Until it is true; the log is told where that takes too long."""
    end = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


class Command:
    """`segbench` as a process of its own, in an empty folder."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.log = folder, folder / "log"
        self._environment = {**os.environ, "RAY_ADDRESS": address, "COLUMNS": "200"}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "segbench", *arguments]
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self._environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def run(self, *arguments: str) -> str:
        """What it wrote; it must end well."""
        code = self.start(*arguments).wait()
        assert code == 0, self.log.read_text()
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        """Until its output has the text; it must not end before."""
        wait_until(lambda: text in self.log.read_text() or self._processes[-1].poll() is not None, self.log)
        assert text in self.log.read_text(), self.log.read_text()

    def end(self) -> None:
        """What a failed test has left running."""
        for process in self._processes:
            process.kill()
            process.wait()

    def ledger(self, name: str) -> list[str]:
        """Its lines."""
        return (self.folder / name / "ledger.jsonl").read_text().splitlines()

    def live_bytes(self, name: str) -> dict[tuple[str, ...], str]:
        """Conditions -> bytes, of an exported file."""
        with (self.folder / name).open() as file:
            rows = [row for row in csv.DictReader(file) if row["quantity"].endswith("live_bytes")]
        return {tuple(row[key] for key in ("model", "quantity", "batch_size")): row["value"] for row in rows}


@pytest.fixture
def segbench(tmp_path: Path) -> Iterator[Callable[[str], Command]]:
    """Makes commands that find a cluster at an address; none outlives its test."""
    commands: list[Command] = []

    def make(address: str) -> Command:
        commands.append(Command(tmp_path, address))
        return commands[-1]

    yield make
    for command in commands:
        command.end()


@pytest.fixture(scope="session")
def bytes_at_home(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:
    """Live bytes of `SWEEP` where this machine answers itself."""
    command = Command(tmp_path_factory.mktemp("home"), "")
    command.run(*SWEEP, "--export-csv", "local.csv")
    found = command.live_bytes("local.csv")
    assert len(found) == 2 * 3  # networks; training with one image and with two, inference
    return found
