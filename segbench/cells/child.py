"""Starts a child process for a task, reads its events, and says how it ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from segbench.cells.process import FreshInterpreter, Process
from segbench.cells.server import CHOICE, SERVERS
from segbench.errors import UserError
from segbench.records.case import Case, Json
from segbench.records.text import encodable

_TAIL_BYTES = 4000
"""How much of a child's stderr is kept for the cause of its death."""
WAYS = ("warm", "cold")
_LAST_WORDS_S = 10.0
"""What a child may take to end after its last answer; freeing a GPU takes one or two seconds."""
_DRAIN_S = 1.0
"""What a pipe may take to run dry after its process has ended."""


@dataclass(frozen=True)
class Ending:
    """How a child ended without having said so itself.

    Attributes:
        outcome: `ok` for a normal end, else `timed_out`, `crashed` or `does_not_fit` (the kernel's killer).
        cause: one sentence.
        stderr: the end of what it wrote there.
    """

    outcome: str
    cause: str | None
    stderr: str


class Child:
    """A process that runs one task on one case.

    Args:
        task: name of a module of `segbench.tasks`.
        case: what it measures.
        timeout_s: how long the child may stay silent about the outcome before it is killed.
        command: what to start instead, for tests.
        start: `warm` forks the child from a server that has imported torch, where one can be had; `cold` starts a
            fresh interpreter. None asks the environment variable SEGBENCH_START, and takes `warm` without it.

    Raises:
        UserError: another way to start.
    """

    def __init__(
        self,
        task: str,
        case: Case,
        timeout_s: float,
        command: Sequence[str] | None = None,
        start: str | None = None,
    ) -> None:
        self.ending = Ending("ok", None, "")
        self._task, self._command = task, command
        self._request = json.dumps({"case": case.to_json()})
        self._timeout = timeout_s
        self._start = way_to_start(start)

    def events(self) -> Iterator[dict[str, Json]]:
        """The child's events until it ends; afterwards `ending` says how. Leaving early kills the child.

        One that has answered has little to do any more, and is killed if that takes long: threads, exit
        handlers and processes of a user's network may never end.
        """
        kills_before = _kernel_kills()
        with tempfile.TemporaryFile() as errors, self._started(errors) as process:
            silence = yield from self._listen(process)
            code = None if silence == "timed_out" else process.wait(min(_LAST_WORDS_S, self._timeout))
            if code is None:
                process.kill()
                process.wait()
            stderr = _tail(errors)
            if code is not None:
                self.ending = _ending(code, kills_before, stderr)
            elif silence != "answered":
                self.ending = _killed(silence, self._timeout, stderr)

    @contextmanager
    def _started(self, errors: IO[bytes]) -> Iterator[Process]:
        process: Process | None = None
        if self._start == "warm" and self._command is None:
            process = SERVERS.fork(self._task, errors, self._timeout)
        if process is None:
            usual = (sys.executable, "-m", "segbench.tasks", self._task)
            process = FreshInterpreter(self._command or usual, errors)
        _RUNNING.add(process)
        try:
            yield process
        finally:
            _RUNNING.discard(process)
            process.kill()
            process.wait()

    def _listen(self, process: Process) -> Generator[dict[str, Json], None, str]:
        """The events; returns why there are no more: `answered`, `closed` or `timed_out`."""
        lines: queue.Queue[bytes | None] = queue.Queue()
        pump = threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True)
        pump.start()
        threading.Thread(target=_feed, args=(process.stdin, self._request.encode()), daemon=True).start()
        threading.Thread(target=_watch, args=(process, pump, lines), daemon=True).start()
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return "timed_out"
            if line is None:
                return "closed"
            event = _decode(line)
            if event is None:
                continue
            yield event
            if event["event"] == "outcome":
                return "answered"


_RUNNING: set[Process] = set()


def kill_children() -> None:
    """Ends every child of this command at once; whoever listens to one hears that it was killed."""
    for process in list(_RUNNING):
        process.kill()


def way_to_start(start: str | None = None) -> str:
    """`warm` or `cold`: as given, or as the environment says, or `warm`.

    Raises:
        UserError: anything else.
    """
    found = start or os.environ.get(CHOICE) or "warm"
    if found not in WAYS:
        raise UserError(f"no way {found!r} to start a case; {CHOICE} may be {' or '.join(WAYS)}")
    return found


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _watch(process: Process, pump: threading.Thread, lines: queue.Queue[bytes | None]) -> None:
    """Ends what a child leaves running, which would hold its pipe open, and does not wait for what got away."""
    process.wait()
    process.kill()
    pump.join(_DRAIN_S)
    lines.put(None)


def _feed(stream: IO[bytes], request: bytes) -> None:
    try:
        with stream:
            stream.write(request)
    except BrokenPipeError:
        pass  # the child died before it read; its ending says why


def _decode(line: bytes) -> dict[str, Json] | None:
    """An event, its texts fit to be written; None for anything else a child managed to print into the pipe."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return encodable(event) if isinstance(event, dict) and "event" in event else None


def _killed(silence: str, timeout_s: float, stderr: str) -> Ending:
    if silence == "timed_out":
        return Ending(
            "timed_out", f"no answer within {timeout_s:g} s; raise --timeout or choose a smaller case", stderr
        )
    return Ending("crashed", "the process closed its output without an answer and did not end", stderr)


def _ending(code: int, kills_before: int | None, stderr: str) -> Ending:
    if code == 0:
        return Ending("ok", None, stderr)
    if code > 0:
        last = stderr.strip().splitlines()
        return Ending("crashed", f"exit code {code}" + (f": {last[-1][:300]}" if last else ""), stderr)
    kills = _kernel_kills()
    if -code == signal.SIGKILL and kills is not None and kills_before is not None and kills > kills_before:
        return Ending("does_not_fit", "killed by the kernel's out-of-memory killer", stderr)
    name = signal.Signals(-code).name
    hint = " (the kernel's out-of-memory killer is the usual reason)" if -code == signal.SIGKILL else ""
    return Ending("crashed", f"killed by {name}{hint}", stderr)


def _kernel_kills() -> int | None:
    """How many processes the kernel's out-of-memory killer has ended since boot; None where that is not told."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read().decode(errors="replace")
