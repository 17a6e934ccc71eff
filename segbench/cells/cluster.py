"""Many machines behind an engine that exists: jobs are handed over, lost ones again, and their answers come back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from segbench.cells.cell import Listener, Result
from segbench.cells.executor import Machine, Results
from segbench.cells.jobs import Job
from segbench.cells.sent import Sender
from segbench.cells.worker import RemoteAnswer, RemoteJob
from segbench.devices.node import Node, require_one_version
from segbench.errors import UserError
from segbench.records.host import package_version

_TICK_S = 0.2
"""How long is waited for an answer before new jobs are looked for."""
_GATHER_S = 0.05
"""A pause after which a command has submitted what it had: an engine is given it together."""


class WorkerLost(Exception):
    """A machine went away with its job; says what is known of why."""


class EngineLost(UserError):
    """The engine itself answers no more; what was measured is in the ledger."""


def sentence_of(error: Exception) -> str:
    """What an engine says in many lines, in one: of a traceback its last, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -\n")]
    return (lines[-1 if "Traceback" in str(error) else 0] if lines else type(error).__name__)[:300]


@dataclass(frozen=True)
class Needs:
    """What a job reserves.

    Attributes:
        cpus: cores; None for all of a machine's, so that nothing runs beside it.
    """

    gpus: int
    cpus: int | None


Handle = Any
"""An engine's own name of a job that it was given."""


class Engine(Protocol):
    """Ray, or Slurm: starts calls somewhere and says which have ended."""

    def nodes(self, gpus: bool, /) -> Sequence[Node]:
        """The machines that may answer.

        Args:
            gpus: whether their GPUs are wanted.

        Raises:
            UserError: none, or one that cannot be asked.
        """

    def start(self, calls: Sequence[tuple[RemoteJob, Needs]], /) -> Sequence[Handle]:
        """Hands calls over together.

        Raises:
            EngineLost: nobody takes them.
        """

    def ended(self, handles: Collection[Handle], wait_s: float, /) -> Collection[Handle]:
        """Those that have ended, after at most so long.

        Raises:
            EngineLost: nobody answers.
        """

    def answer(self, handle: Handle, /) -> RemoteAnswer:
        """Of one that has ended.

        Raises:
            WorkerLost: its machine went away.
        """

    def standing(self, handles: Collection[Handle], /) -> Standing:
        """Hosts, and how many of the calls run already."""

    def cancel(self, handles: Collection[Handle], /) -> None:
        """Ends calls whose answers are not wanted any more."""


@dataclass(frozen=True)
class Standing:
    """How far a command is."""

    hosts: int
    running: int


@dataclass
class _Ticket:
    call: RemoteJob
    needs: Needs
    future: Future[Results]
    listen: Listener
    losses: tuple[str, ...] = ()


class ClusterExecutor:
    """Hands every job to the engine as it is submitted; one thread waits for the answers.

    Args:
        engine: what takes them.
        retries: how often a job is tried again whose worker was lost.
        folder: for copies of the user's files, beside the ledger.
        cpus: cores that a job reserves, instead of what it asks for.
        start: of each case's process.
    """

    def __init__(
        self, engine: Engine, retries: int, folder: Path, cpus: int | None = None, start: str | None = None
    ) -> None:
        self._engine, self._retries, self._cpus, self._start = engine, retries, cpus, start
        self._sender = Sender(folder)
        self._segbench = package_version("segbench") or ""
        self._nodes: dict[bool, tuple[Node, ...]] = {}
        self._machines: dict[str, Machine] = {}
        self._new: list[_Ticket] = []
        self._running: dict[Handle, _Ticket] = {}
        self._wake, self._closed = threading.Condition(), False
        self._told = (0.0, Standing(0, 0))
        self._thread: threading.Thread | None = None
        self._failed: Exception | None = None

    def nodes(self, device: str = "auto") -> tuple[Node, ...]:
        """The machines that may answer cases of a device, asked once.

        Raises:
            UserError: none, or of different versions.
        """
        gpus = device.startswith("cuda")
        if gpus not in self._nodes:
            found = self._nodes[gpus] = tuple(self._engine.nodes(gpus))
            require_one_version(found)
            if found[0].segbench != self._segbench:
                theirs = found[0].segbench or "none"
                raise UserError(f"this segbench is {self._segbench}, the machines have {theirs}; install the same one")
        return self._nodes[gpus]

    def node(self, device: str) -> Node:
        """The kind of machine that will answer, one with a GPU where there is any.

        Raises:
            UserError: as `nodes`.
        """
        return max(self.nodes(device), key=lambda node: len(node.gpus))

    def probe(self, device: str) -> Machine:
        """The one kind of machine that will answer.

        Raises:
            UserError: there are several kinds, whose answers would not be each other's.
        """
        if device not in self._machines:
            self._machines[device] = self._probe(device)
        return self._machines[device]

    def _probe(self, device: str) -> Machine:
        nodes = self.nodes(device)
        able = [node for node in nodes if node.gpus or not device.startswith("cuda")]
        kinds = {Machine(node.title(device), node.torch): node.name for node in able}
        if len(kinds) > 1:
            found = "; ".join(f"{kind.device_name} ({name})" for kind, name in kinds.items())
            raise UserError(
                f"{device} means different machines here: {found}; ask for one kind with --accelerator or --constraint"
            )
        if not kinds:
            raise UserError(f"none of the {len(nodes)} machines has a GPU; use --device cpu, or none")
        return next(iter(kinds))

    def submit(self, job: Job, timeout_s: float, listen: Listener) -> Future[Results]:
        """The future ends when the job does, or when it was lost more often than it may be tried again.

        After the engine has failed it ends at once, with the engine's error.

        Raises:
            UserError: a file of the user's is missing, or no machine can answer.
        """
        device = job.cases[0].device
        call = RemoteJob(job, timeout_s, self.probe(device), self._segbench, self._sender.send(job.cases), self._start)
        ticket = _Ticket(call, self._needs(job), Future(), listen)
        with self._wake:
            if self._failed is not None:
                ticket.future.set_exception(self._failed)
                return ticket.future
            self._new.append(ticket)
            self._wake.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, daemon=True)
                self._thread.start()
        return ticket.future

    def _needs(self, job: Job) -> Needs:
        """A case on CUDA has a GPU a process; one on a processor that must be alone has the machine."""
        case = job.cases[0]
        processes = getattr(case.options, "processes", 1) if case.device != "none" else 1
        gpus = processes if case.device.startswith("cuda") else 0
        whole = job.alone and not gpus
        return Needs(gpus, self._cpus or (None if whole else (case.threads or 1) * processes))

    def _follow(self) -> None:
        try:
            while not self._closed:
                self._round()
        except Exception as error:  # whatever the engine raised ends the command, not this thread alone
            with self._wake:
                self._failed = error  # nobody answers what is submitted from now on
                lost = [*self._new, *self._running.values()]
                self._new.clear()
                self._running.clear()
            for ticket in lost:
                ticket.future.set_exception(error)

    def _round(self) -> None:
        with self._wake:
            if not self._new and not self._running:
                self._wake.wait()
                while self._wake.wait(_GATHER_S):
                    pass
            tickets = list(self._new)
        if tickets:
            handles = self._engine.start([(ticket.call, ticket.needs) for ticket in tickets])
            self._running |= dict(zip(handles, tickets, strict=True))
            with self._wake:
                del self._new[: len(tickets)]  # only now: an engine that fails must find those it did not take
        self._tell()
        for handle in self._engine.ended(self._running, _TICK_S) if self._running else ():
            self._end(handle, self._running[handle])
            del self._running[handle]  # only now: an engine that fails here must find the job among those it had

    def _end(self, handle: Handle, ticket: _Ticket) -> None:
        try:
            found = self._engine.answer(handle)
        except WorkerLost as lost:
            ticket.losses += (str(lost),)
            if len(ticket.losses) <= self._retries:
                with self._wake:
                    self._new.append(ticket)
            else:
                ticket.future.set_result(_lost(ticket))
            return
        for path, content in found.written.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)
        ticket.future.set_result(tuple(_with_losses(result, ticket.losses) for result in found.results))

    def _tell(self) -> None:
        """At most once a second: hosts, running, waiting."""
        now = time.monotonic()
        if not self._running or now < self._told[0] + 1:
            return
        standing = self._engine.standing(self._running)
        self._told = now, standing
        ticket = next(iter(self._running.values()))
        waiting = len(self._running) - standing.running
        event = {"hosts": standing.hosts, "running": standing.running, "waiting": max(0, waiting)}
        ticket.listen(ticket.call.job.cases[0], "cluster", event)

    def __enter__(self) -> Self:
        self._closed, self._failed = False, None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is not wanted any more is ended; the engine stays for the command's next jobs."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with contextlib.suppress(EngineLost):
            self._engine.cancel(self._running)
        self._running.clear()
        self._new.clear()


def _lost(ticket: _Ticket) -> Results:
    tries = len(ticket.losses)
    cause = f"the worker was lost {_times(tries)} ({ticket.losses[-1]}); raise --retries, or run the command again"
    return tuple(Result(case, "crashed", cause, None, (), 0.0) for case in ticket.call.job.cases)


def _with_losses(result: Result, losses: tuple[str, ...]) -> Result:
    """A result that took several tries says so in the ledger."""
    if not losses or result.environment is None:
        return result
    note = f"the worker was lost {_times(len(losses))} before this try ({losses[-1]})"
    return replace(result, environment=replace(result.environment, notes=(*result.environment.notes, note)))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
