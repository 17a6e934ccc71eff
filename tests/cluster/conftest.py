"""A Ray cluster of two nodes on this machine, and submitit's local executor: `make test-cluster`."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ |= {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "240",
}
STORE = 80 * 2**20
"""Bytes of a node's object store: the least that Ray takes."""


class TwoNodes:
    """A head and, if wanted, a worker node, of one core each, every one with its own raylet."""

    def __init__(self, worker: bool = True) -> None:
        from ray.cluster_utils import Cluster

        self._nodes = {"num_cpus": 1, "object_store_memory": STORE}
        self.cluster = Cluster(initialize_head=True, head_node_args={**self._nodes, "include_dashboard": False})
        self.worker = self.cluster.add_node(**self._nodes) if worker else None
        self.cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill_raylet(self) -> None:
        """Of the worker node, as a power cut would."""
        self.cluster.remove_node(self.worker, allow_graceful=False)

    def kill_head(self) -> None:
        """With all that ran on it."""
        self.cluster.remove_node(self.cluster.head_node, allow_graceful=False)

    def close(self) -> None:
        self.cluster.shutdown()


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    yield nodes
    nodes.close()


class Command:
    """`segbench` as a process of its own, in an empty folder."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.log = folder, folder / "log"
        self._environment = {**os.environ, "RAY_ADDRESS": address, "COLUMNS": "200"}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "segbench", *arguments]
        with self.log.open("wb") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self._environment, stdout=log, stderr=log)

    def run(self, *arguments: str) -> str:
        """What it wrote; it must end well."""
        code = self.start(*arguments).wait()
        assert code == 0, self.log.read_text()
        return self.log.read_text()

    def wait_for(self, text: str, seconds: float = 240.0) -> None:
        """Until its output has the text."""
        end = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def ledger(self, name: str) -> list[str]:
        """Its lines."""
        return (self.folder / name / "ledger.jsonl").read_text().splitlines()

    def live_bytes(self, name: str) -> dict[tuple[str, ...], str]:
        """Conditions -> bytes, of an exported file."""
        with (self.folder / name).open() as file:
            rows = [row for row in csv.DictReader(file) if row["quantity"].endswith("live_bytes")]
        return {tuple(row[key] for key in ("model", "quantity", "batch_size")): row["value"] for row in rows}


@pytest.fixture
def segbench(tmp_path: Path) -> Callable[[str], Command]:
    """Makes commands that find a cluster at an address."""
    return lambda address: Command(tmp_path, address)
