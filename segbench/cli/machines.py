"""Who answers a command: this machine, or those that `--executor` names."""

from __future__ import annotations

from pathlib import Path

from segbench.cells.child import way_to_start
from segbench.cells.cluster import ClusterExecutor, Engine
from segbench.cli.groups import MachineFlags, RunFlags

SENT = "sent"
"""Folder beside the ledger: copies of the user's files, and what Slurm's jobs are told."""


def cluster_executor(machines: MachineFlags, run: RunFlags) -> ClusterExecutor:
    """Of `--executor ray` and `--executor slurm`; the library of each is imported only now.

    Raises:
        UserError: it is not installed, or nothing answers.
    """
    folder = run.ledger.parent if run.ledger.suffix == ".jsonl" else run.ledger
    start = way_to_start(run.start)
    engine = engine_of(machines, folder / SENT)
    return ClusterExecutor(engine, machines.retries, folder / SENT, machines.cpus, start)


def engine_of(machines: MachineFlags, folder: Path) -> Engine:
    """Ray or Slurm.

    Raises:
        UserError: as `cluster_executor`.
    """
    if machines.executor == "ray":
        from segbench.cells.ray_engine import RayEngine

        return RayEngine(machines.address, machines.accelerator)
    from segbench.cells.slurm_engine import SlurmEngine, SlurmWish, minutes_of

    wish = SlurmWish(minutes_of(machines.time), machines.partition, machines.constraint, machines.accelerator)
    return SlurmEngine(folder / "slurm", wish, local=machines.address == "local")
