"""A task by several processes of this machine that train one network together."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from operator import itemgetter
from pathlib import Path
from typing import Any

import psutil
import torch

from segbench.errors import UserError
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import Shared
from segbench.tasks.environment import apply_case_switches
from segbench.tasks.orphan import die_with_parent
from segbench.tasks.outcome import classify
from segbench.tasks.protocol import Reporter
from segbench.units import GIB, MIB
from segbench.workload.sharing import joined

RankTask = Callable[[Case, Reporter], None]
"""What each rank does, once it has joined the others; a function of a module, which every process can import."""


def by_ranks(task: RankTask, case: Case, report: Reporter) -> None:
    """Starts a process a rank. A row tells the rank that needs most, and beside it each of them; the rest is rank 0's.

    Raises:
        UserError: they would not fit into this machine's memory before they have a network.
        UserError, MemoryError, NotImplementedError, RuntimeError: as the first rank that failed says.
    """
    ranks = case.options_as(Shared).processes
    _require_room(ranks)
    rows: list[list[Measurement]] = [[] for _ in range(ranks)]
    with _started(task, case, ranks) as pipes:
        while pipes:
            failed: list[tuple[float, Exception]] = []
            for rank, what, told in _messages(pipes):
                if what == "failed":
                    failed.append(told)
                elif what == "measured":
                    rows[rank].append(told)
                elif what != "ended" and rank == 0:
                    getattr(report, what)(*told)
            if failed:  # the others fail because the first did
                raise min(failed, key=itemgetter(0))[1]
    for same in zip(*rows, strict=True):
        report.measured(_most(same))


_PROCESS_BYTES = 180 * MIB
"""What a process that has imported torch 2.13 for the CPU shares with nobody."""


def _require_room(ranks: int) -> None:
    needed, free = ranks * _PROCESS_BYTES, psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"{ranks} ranks are as many processes here, which need {needed / GIB:.1f} GiB before they have a network, "
            f"and {free / GIB:.1f} GiB are free; take fewer ranks, or predict them with --device none"
        )


def _messages(pipes: dict[Connection, tuple[int, BaseProcess]]) -> Iterator[tuple[int, str, Any]]:
    """Rank, kind and content of all that has come; the pipe of a rank that has told its last is taken out."""
    for pipe in wait(list(pipes)):
        assert isinstance(pipe, Connection)
        rank, process = pipes[pipe]
        while pipe in pipes and pipe.poll():
            try:
                what, told = pipe.recv()
            except (EOFError, ConnectionResetError):
                what, told = "failed", (0.0, RuntimeError(f"rank {rank} ended without an answer{_exit_of(process)}"))
            if what in ("ended", "failed"):
                del pipes[pipe]
            yield rank, what, told


def _most(rows: Sequence[Measurement]) -> Measurement:
    found = max(rows, key=lambda row: row.value or 0)
    if found.method == "counted":
        return found
    return replace(found, detail={**found.detail, "ranks": [row.value for row in rows]})


@contextmanager
def _started(task: RankTask, case: Case, ranks: int) -> Iterator[dict[Connection, tuple[int, BaseProcess]]]:
    """Pipe -> rank and its process, which is gone afterwards."""
    spawn = multiprocessing.get_context("spawn")  # a fork of a process that has asked CUDA anything cannot use it
    pipes: dict[Connection, tuple[int, BaseProcess]] = {}
    processes: list[BaseProcess] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for rank in range(ranks):
                ours, theirs = spawn.Pipe(duplex=False)
                processes.append(spawn.Process(target=_run, args=(task, case, rank, f"{folder}/meeting", theirs)))
                processes[-1].start()
                theirs.close()  # so that the pipe ends with its process
                pipes[ours] = rank, processes[-1]
            yield pipes
        finally:
            for process in processes:
                process.kill()
                process.join()


_DYING_S = 5.0
"""A process closes its pipe a moment before it is gone."""


def _exit_of(process: BaseProcess) -> str:
    """`, killed by SIGKILL`, as a system does that runs out of memory; `, exit code 1`; empty where it still runs."""
    process.join(_DYING_S)
    code = process.exitcode
    if code is None:
        return ""
    return f", killed by {signal.Signals(-code).name}" if code < 0 else f", exit code {code}"


@dataclass(frozen=True)
class _Teller:
    """A reporter at the far end of a pipe."""

    pipe: Connection

    def measured(self, measurement: Measurement) -> None:
        self.pipe.send(("measured", measurement))

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:  # noqa: ARG002  # memory has none
        self.pipe.send(("progress", (stage, done, total)))

    def note(self, sentence: str) -> None:
        self.pipe.send(("note", (sentence,)))


def _run(task: RankTask, case: Case, rank: int, meeting: str, pipe: Connection) -> None:
    """In the rank's own process."""
    die_with_parent()
    own = replace(case, device=device_of_rank(case.device, rank))
    with ExitStack() as group:  # a rank leaves it after it has told why: the others fail as soon as it has left
        try:
            apply_case_switches(own)
            ranks, device = case.options_as(Shared).processes, torch.device(own.device)
            group.enter_context(joined(rank, ranks, Path(meeting), device))
            task(own, _Teller(pipe))
        except Exception as error:  # whatever a user's network raises
            pipe.send(("failed", (time.monotonic(), _portable(error, rank))))
        else:
            pipe.send(("ended", None))


def device_of_rank(first: str, rank: int) -> str:
    """The GPUs from the case's own on, one a rank; a CPU is shared."""
    kind, _, index = first.partition(":")
    return f"cuda:{int(index or 0) + rank}" if kind == "cuda" else first


def _portable(error: Exception, rank: int) -> Exception:
    """The same outcome in an exception that every process can read: a library's own may need more than its text."""
    if isinstance(error, UserError):
        return UserError(str(error))
    kind = {"does_not_fit": MemoryError, "unsupported": NotImplementedError}.get(classify(error), RuntimeError)
    return kind(f"rank {rank}: {type(error).__name__}: {str(error).strip()}")
