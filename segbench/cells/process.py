"""A child process as the command sees it, and the usual way to start one: a fresh interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol


class Process(Protocol):
    """A running child in a process group of its own, so that Ctrl-C reaches the command alone."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, negative for the signal that ended it; None if it still runs after `timeout` seconds."""

    def kill(self) -> None:
        """Ends it and whatever it has started, without waiting."""


class FreshInterpreter:
    """A child that starts from nothing.

    Args:
        command: what to run.
        errors: takes its stderr.
    """

    def __init__(self, command: Sequence[str], errors: IO[bytes]) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=child_environment(),
            start_new_session=True,
        )
        assert self._popen.stdin and self._popen.stdout
        self.stdin, self.stdout = self._popen.stdin, self._popen.stdout

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        kill_group(self._popen.pid)


def kill_group(number: int) -> None:
    """Ends every process of a group; one that has none is no error."""
    try:
        os.killpg(number, signal.SIGKILL)
    except ProcessLookupError:
        pass


def child_environment() -> dict[str, str]:
    """The child finds the same segbench, whatever folder of the user's it runs in."""
    root = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([root, inherited] if inherited else [root])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
