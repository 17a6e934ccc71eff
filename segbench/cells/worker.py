"""What a worker does with a job: it checks that it is the machine that was asked, and runs the job as at home."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from segbench.cards.model import find_model
from segbench.cells.cell import Listener, Result, RunCase, run_in_child
from segbench.cells.executor import Machine, Results
from segbench.cells.jobs import Job
from segbench.cells.sent import Arrived, Sent
from segbench.devices.node import Node, node_here
from segbench.errors import UserError
from segbench.records.case import Case


@dataclass(frozen=True)
class RemoteJob:
    """A job as it travels.

    Attributes:
        timeout_s: of each process.
        machine: the kind that the keys of its cases name.
        segbench: the asking machine's version.
        sent: the files it needs.
        start: of each process, `warm` or `cold`.
    """

    job: Job
    timeout_s: float
    machine: Machine
    segbench: str
    sent: Sent
    start: str | None = None


@dataclass(frozen=True)
class RemoteAnswer:
    """A job's results as they travel back.

    Attributes:
        host: the worker's name, for people.
        written: path -> content, of what was written where the asking machine cannot see it.
    """

    results: Results
    host: str
    written: dict[str, bytes] = field(default_factory=dict)


def worker_node() -> Node:
    """What this machine has, also where an engine hides GPUs from a task that asked for none."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return node_here()


def answer(call: RemoteJob, root: str = "", run_case: RunCase | None = None) -> RemoteAnswer:
    """Runs a job on this machine.

    Args:
        root: of the copied files here; empty where they are found in `call.sent.folder`.
        run_case: instead of a fresh process, for tests.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    node = node_here()
    wrong = _another_machine(call, node)
    if wrong:
        return RemoteAnswer(tuple(_refused(case, wrong) for case in call.job.cases), node.name)
    with tempfile.TemporaryDirectory() as out:
        arrived = Arrived(call.sent, Path(root or call.sent.folder or out), Path(out))
        with arrived.entered():
            run = partial(_run, arrived, run_case or partial(run_in_child, start=call.start))
            results = tuple(call.job.run(run, call.timeout_s, lambda *_: None))
        return RemoteAnswer(results, node.name, arrived.written())


def _run(arrived: Arrived, run_case: RunCase, case: Case, timeout_s: float, listen: Listener) -> Result:
    """One process; the case is told with the asking machine's paths."""
    try:
        here = arrived.case(case)
        card_hash = find_model(here.model).card.hash() if here.model else ""
    except UserError as error:
        return replace(_refused(case, str(error)), user_error=True)
    return replace(run_case(here, timeout_s, listen), case=case, card_hash=card_hash)


def _another_machine(call: RemoteJob, node: Node) -> str:
    """Why this machine must not answer; empty where it may."""
    found = Machine(node.title(call.job.cases[0].device), node.torch)
    if node.segbench != call.segbench:
        return f"{node.name} has segbench {node.segbench or 'not'}, asked by {call.segbench}; install the same one"
    if found != call.machine:
        return (
            f"planned for {call.machine.device_name} with torch {call.machine.torch}, but {node.name} is "
            f"{found.device_name} with torch {found.torch}; ask for one kind of machine (--accelerator, --constraint)"
        )
    return ""


def _refused(case: Case, cause: str) -> Result:
    return Result(case, "failed", cause, None, (), 0.0)
