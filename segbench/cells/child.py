"""Starts a child process for a task, reads its events, and says how it ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from segbench.records.case import Case, Json

_TAIL_BYTES = 4000
"""How much of a child's stderr is kept for the cause of its death."""


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
    """A running `python -m segbench.tasks NAME`.

    Args:
        task: name of a module of `segbench.tasks`.
        cases: measured by the child one after the other.
        timeout_s: how long the child may stay silent about a case's outcome before it is killed.
        command: what to start instead, for tests.
    """

    def __init__(
        self, task: str, cases: Sequence[Case], timeout_s: float, command: Sequence[str] | None = None
    ) -> None:
        self.ending = Ending("ok", None, "")
        self._request = json.dumps({"cases": [case.to_json() for case in cases]})
        self._command = list(command or (sys.executable, "-m", "segbench.tasks", task))
        self._timeout = timeout_s

    def events(self) -> Iterator[dict[str, Json]]:
        """The child's events until it ends; afterwards `ending` says how. Leaving early kills the child."""
        kills_before = _kernel_kills()
        with tempfile.TemporaryFile() as errors, self._started(errors) as process:
            timed_out = yield from self._listen(process)
            if timed_out:
                _kill_group(process)
            process.wait()
            self.ending = _ending(process.returncode, timed_out, self._timeout, kills_before, _tail(errors))

    @contextmanager
    def _started(self, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **_child_environment()},
            start_new_session=True,  # so that Ctrl-C reaches us alone, and a kill reaches its children too
        )
        try:
            yield process
        finally:
            _kill_group(process)
            process.wait()

    def _listen(self, process: subprocess.Popen[bytes]) -> Generator[dict[str, Json], None, bool]:
        """The events; returns whether the child ran out of time."""
        assert process.stdin and process.stdout
        lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
        threading.Thread(target=_feed, args=(process.stdin, self._request.encode()), daemon=True).start()
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return True
            if line is None:
                return False
            event = _decode(line)
            if event is None:
                continue
            if event["event"] == "outcome":
                deadline = time.monotonic() + self._timeout
            yield event


def _child_environment() -> dict[str, str]:
    """The child finds the same segbench, whatever folder of the user's it runs in."""
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root]), "PYTHONUNBUFFERED": "1"}


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _feed(stream: IO[bytes], request: bytes) -> None:
    try:
        with stream:
            stream.write(request)
    except BrokenPipeError:
        pass  # the child died before it read; its ending says why


def _decode(line: bytes) -> dict[str, Json] | None:
    """An event, or None for anything else a child managed to print into the pipe."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _ending(code: int, timed_out: bool, timeout_s: float, kills_before: int | None, stderr: str) -> Ending:
    if timed_out:
        return Ending(
            "timed_out", f"no answer within {timeout_s:g} s; raise --timeout or choose a smaller case", stderr
        )
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


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read().decode(errors="replace")
