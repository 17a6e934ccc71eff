"""Children forked from a server that has imported torch: a case starts at once, still in a process of its own.

Each task has its server, so that a child holds the modules a fresh interpreter would hold, and no more; tasks that
measure nothing share one. What a child inherits from the server is what it would inherit from the command: a server of
another environment, folder or set of cores is not used. See `segbench.tasks.server` for the other side.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from segbench.cells.process import child_environment, kill_group

CHOICE = "SEGBENCH_START"
_PROGRAM = "import sys; sys.flags.safe_path or sys.path.pop(0); from segbench.tasks.server import main; main()"
"""The folder of the user, first on the path, goes before anything is looked for: nothing of it is imported."""
_UNREAD = (CHOICE, "PYTEST_CURRENT_TEST")
"""Variables that no child reads; pytest gives the second a new value for every test."""
_MOST_SERVERS = 2
"""Each holds about 0.4 GB; a command seldom measures more than two tasks in turns."""
_MEASURE_NOTHING = ("params", "predict", "max_batch", "max_input")
"""What else their processes hold changes no number of theirs."""


@dataclass(frozen=True)
class Conditions:
    """What a new process takes over from the one that starts it, and may read once for all at its imports."""

    environment: frozenset[tuple[str, str]]
    folder: str
    cores: frozenset[int]

    @classmethod
    def now(cls) -> Conditions:
        environment = frozenset(item for item in os.environ.items() if item[0] not in _UNREAD)
        return cls(environment, os.getcwd(), frozenset(os.sched_getaffinity(0)))  # noqa: PTH109


_Key = tuple[tuple[str, ...], Conditions]
"""The tasks of a server, and what its children inherit."""


class ForkedChild:
    """A child of the server, which tells its end over `channel`; closing our side of that has it killed.

    Args:
        pid: also the number of its process group.
        channel: to the server.
        stdin, stdout: our ends of its pipes.
    """

    def __init__(self, pid: int, channel: socket.socket, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.stdin, self.stdout = stdin, stdout
        self._pid, self._channel = pid, channel
        self._code: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._await_end, daemon=True).start()

    def wait(self, timeout: float | None = None) -> int | None:
        self._ended.wait(timeout)
        return self._code

    def kill(self) -> None:
        try:
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed its side: it has ended, and so has the child

    def _await_end(self) -> None:
        with self._channel:
            told = _received(self._channel)
        if told is None:
            kill_group(self._pid)  # the server died; the kernel ended the child with it, but not the child's own
        self._code = -signal.SIGKILL if told is None else told
        self._ended.set()


class Server:
    """The process that forks the children of some tasks.

    Args:
        tasks: names of modules of `segbench.tasks`.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.has_forked = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *tasks],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
                start_new_session=True,
            )

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def fork(self, task: str, errors: IO[bytes], timeout_s: float) -> ForkedChild | None:
        """A new child that runs a task and has `errors` for its stderr; None if the server has died or stays silent."""
        (child_reads, we_write), (we_read, child_writes) = os.pipe(), os.pipe()
        stdin, stdout = open(we_write, "wb"), open(we_read, "rb")  # noqa: PTH123, SIM115
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            socket.send_fds(
                self._control, [task.encode()], [child_reads, child_writes, errors.fileno(), theirs.fileno()]
            )
        except OSError:
            pass  # it has died; the channel says so below
        finally:
            theirs.close()
            for file in (child_reads, child_writes):
                os.close(file)
        pid = _received(channel, timeout_s)
        if pid is None:
            for end in (stdin, stdout, channel):
                end.close()
            return None
        self.has_forked = True
        return ForkedChild(pid, channel, stdin, stdout)

    def close(self) -> None:
        """Ends the server as soon as it has no child any more."""
        self._control.close()

    def end(self) -> None:
        """Ends the server and its children at once."""
        self.close()
        self._process.kill()
        self._process.wait()


class Servers:
    """The servers of this command, the one used last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: OrderedDict[_Key, Server] = OrderedDict()
        self._leaving: list[Server] = []
        self._refused: set[_Key] = set()

    def prepare(self, task: str) -> Server | None:
        """The task's server, started if need be, which then imports while the command does something else.

        None where one cannot be had: not on Linux, without a current folder, or when one could not fork before.
        """
        key = _key(task)
        if key is None or key in self._refused:
            return None
        with self._lock:
            server = self._servers.pop(key, None)
            if server is not None and not server.lives:
                server.close()
                server = None
            server = server or Server(key[0])
            self._servers[key] = server
            self._let_go_of_the_oldest()
            return server

    def fork(self, task: str, errors: IO[bytes], timeout_s: float) -> ForkedChild | None:
        """A child of the task's server; None where it cannot be had, now and from now on."""
        while server := self.prepare(task):
            child = server.fork(task, errors, timeout_s)
            if child:
                return child
            self._end(server, refuse=not server.has_forked)  # one that has forked before is replaced
        return None

    def end(self) -> None:
        """Ends every server."""
        with self._lock:
            for server in (*self._servers.values(), *self._leaving):
                server.end()
            self._servers.clear()
            self._leaving.clear()

    def _end(self, server: Server, refuse: bool) -> None:
        with self._lock:
            for key in [key for key, item in self._servers.items() if item is server]:
                del self._servers[key]
                if refuse:
                    self._refused.add(key)
        server.end()

    def _let_go_of_the_oldest(self) -> None:
        while len(self._servers) > _MOST_SERVERS:
            _, oldest = self._servers.popitem(last=False)
            oldest.close()
            self._leaving.append(oldest)
        self._leaving = [server for server in self._leaving if server.lives]


def _key(task: str) -> _Key | None:
    """macOS has fork, but its system libraries do not survive one; Windows has none."""
    if sys.platform != "linux":
        return None
    try:
        return _MEASURE_NOTHING if task in _MEASURE_NOTHING else (task,), Conditions.now()
    except FileNotFoundError:  # the current folder was removed
        return None


def _received(channel: socket.socket, timeout_s: float | None = None) -> int | None:
    """The next number the server says; None if it has ended or stays silent."""
    channel.settimeout(timeout_s)
    try:
        message = channel.recv(32)
    except OSError:
        return None
    return int(message) if message else None


SERVERS = Servers()
atexit.register(SERVERS.end)
