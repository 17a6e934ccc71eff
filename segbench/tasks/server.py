"""Forks the children of one task from a process that has imported everything and run nothing.

The command starts `main` with one end of a socket as stdin. Each request carries four open files: the child's stdin,
stdout and stderr, and a channel over which the server answers with the child's number and at last its exit code. A
channel that the command closes means that the child is to be killed. When nobody can ask any more and no child is left,
the server ends: it never outlives its command.

A child is a copy of the server, so the server must be what a fresh interpreter is after its imports: one thread (the
libraries start theirs when they first compute), no CUDA driver, nothing of a user's. A server that is anything else
ends, and the command starts its children as fresh interpreters.
"""

from __future__ import annotations

import importlib
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

import numpy
import torch

from segbench.tasks import __main__ as program
from segbench.tasks.resident import bring_in, resident_file_pages

_LATE = {"segbench.workload.optimizer": "torch._dynamo"}
"""What the first call of a module imports in every child: torch's optimizers bring in its compiler."""
_FILES = 4
_UNUSABLE = 3
"""Exit code of a server whose copies would differ from fresh interpreters."""


def main() -> None:
    """Serves the task named by the last argument; a child then goes on from here as `segbench.tasks` does."""
    task = sys.argv[-1]
    import_all(task)
    if why_unfit() is not None:
        os._exit(_UNUSABLE)
    if not ForkServer(socket.socket(fileno=os.dup(0))).run():
        os._exit(0)  # nothing was opened or written that an orderly end would close
    _become_fresh(task)
    program.main()


def import_all(task: str) -> None:
    """Imports what a child of the task will."""
    importlib.import_module(f"segbench.tasks.{task}")
    for cause, module in _LATE.items():
        if cause in sys.modules:
            importlib.import_module(module)


def why_unfit() -> str | None:
    """Why children should not be forked from this process; None if they may be."""
    _end_idle_threads()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return "it has threads, which a fork would not copy"
    if any(name.startswith("/dev/nvidia") for name in _open_files()):
        return "it holds the CUDA driver, which does not work in a copy"
    return None


class ForkServer:
    """Forks on request and tells how children end.

    Args:
        control: where requests come from.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pages = resident_file_pages()
        self._selector = selectors.PollSelector()  # holds no file of its own, which children would inherit
        self._selector.register(control, selectors.EVENT_READ, self._fork)
        self._channels: set[socket.socket] = set()
        self._ends: set[int] = set()
        os.close(os.pidfd_open(os.getpid()))  # a kernel without it ends the server before it has a child

    def run(self) -> bool:
        """False at the end of the server; True at the start of a child."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                if key.fileobj in self._selector.get_map() and key.data():
                    return True
        return False

    def _fork(self) -> bool:
        """Whether this process is the child."""
        message, files, _, _ = socket.recv_fds(self._control, 16, _FILES)
        if not message:
            self._selector.unregister(self._control)
            return False
        pid = os.fork()
        if pid == 0:
            self._leave_to(files)
            return True
        for file in files[:3]:
            os.close(file)
        self._watch(pid, socket.socket(fileno=files[3]))
        return False

    def _watch(self, pid: int, channel: socket.socket) -> None:
        end = os.pidfd_open(pid)
        self._ends.add(end)
        self._channels.add(channel)
        self._selector.register(end, selectors.EVENT_READ, lambda: self._bury(pid, end, channel))
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._kill(pid, channel))
        _say(channel, pid)

    def _kill(self, pid: int, channel: socket.socket) -> None:
        self._selector.unregister(channel)
        _kill_with_its_own(pid)

    def _bury(self, pid: int, end: int, channel: socket.socket) -> None:
        """Ends what the child has started, while its number is still taken, then tells how it ended."""
        _kill_with_its_own(pid)
        _, status = os.waitpid(pid, 0)
        _say(channel, os.waitstatus_to_exitcode(status))
        self._selector.unregister(end)
        if channel in self._selector.get_map():
            self._selector.unregister(channel)
        self._ends.remove(end)
        self._channels.remove(channel)
        os.close(end)
        channel.close()

    def _leave_to(self, files: list[int]) -> None:
        """In the child: its own session and files, none of the server's."""
        os.setsid()
        for listening in (self._control, *self._channels):
            listening.close()
        for end in self._ends:
            os.close(end)
        for place, file in enumerate(files[:3]):
            os.dup2(file, place)
        for file in files:
            os.close(file)
        bring_in(self._pages)


def _become_fresh(task: str) -> None:
    """What an interpreter has when it starts as `python -m segbench.tasks NAME`."""
    sys.argv = [str(program.__file__), task]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    _draw_seeds()


def _draw_seeds() -> None:
    """Seeds from the system, as at import; Python's own generator sees to itself after a fork."""
    torch.default_generator.seed()
    numpy.random.seed()


def _end_idle_threads() -> None:
    """OpenBLAS starts threads when it is loaded, ends them before a fork, and starts them again when it computes."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _open_files() -> list[str]:
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(entry.readlink()))
        except FileNotFoundError:
            pass  # the folder's own, closed by now
    return names


def _kill_with_its_own(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # one killed at its very start has no group yet
        try:
            kill(pid, signal.SIGKILL)
            return
        except ProcessLookupError:
            pass


def _say(channel: socket.socket, number: int) -> None:
    try:
        channel.send(b"%d" % number)
    except OSError:
        pass  # nobody listens any more
