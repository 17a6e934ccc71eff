"""Forks the children of some tasks from a process that has imported everything and run nothing.

The command starts `main` with one end of a socket as stdin. Each request names a task and carries four open files: the
child's stdin, stdout and stderr, and a channel over which the server answers with the child's number and at last its
exit code. A channel that the command closes means that the child is to be killed. When nobody can ask any more and no
child is left, the server ends: it never outlives its command.

A child is a copy of the server, so the server must be what a fresh interpreter is after its imports: one thread (the
libraries start theirs when they first compute), no CUDA driver, nothing of a user's. A server that is anything else
ends, and the command starts its children as fresh interpreters.
"""

from __future__ import annotations

import atexit
import importlib
import os
import selectors
import signal
import socket
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch

from segbench.tasks import __main__ as program
from segbench.tasks.resident import bring_in, resident_file_pages

_LATE = {"segbench.workload.optimizer": "torch._dynamo"}
"""What the first call of a module imports in every child: torch's optimizers bring in its compiler."""
_FILES = 4
_LONGEST_NAME = 256
_UNUSABLE = 3
"""Exit code of a server whose copies would differ from fresh interpreters."""


def main() -> None:
    """Serves the tasks named by the arguments (several only if they measure nothing).

    A child goes on from here as `segbench.tasks` does.
    """
    import_all(sys.argv[1:])
    if len(sys.argv) > 2:
        skip_torchs_exit_handlers()
    if why_unfit() is not None:
        os._exit(_UNUSABLE)
    task = ForkServer(socket.socket(fileno=os.dup(0))).run()
    if not task:
        os._exit(0)  # nothing was opened or written that an orderly end would close
    _become_fresh(task)
    program.main()


def import_all(tasks: Sequence[str]) -> None:
    """Imports what a child of any of the tasks will."""
    for task in tasks:
        importlib.import_module(f"segbench.tasks.{task}")
    for cause, module in _LATE.items():
        if cause in sys.modules:
            importlib.import_module(module)


def skip_torchs_exit_handlers() -> None:
    """Has children that measure nothing end a tenth of a second sooner.

    torch registers a finalizer for each of its operator libraries, and a report of what was compiled, which a process
    that is about to end need not run. What a child itself registers is run.
    """
    for made_at_import in list(weakref.finalize._registry):  # type: ignore[attr-defined]  # nothing public lists them
        made_at_import.atexit = False
    compiler = sys.modules.get("torch._dynamo.utils")
    if compiler is not None:
        atexit.unregister(compiler.dump_compile_times)


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

    def run(self) -> str:
        """The task of a child at its start; empty at the end of the server."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                task = key.data() if key.fileobj in self._selector.get_map() else None
                if task:
                    return str(task)
        return ""

    def _fork(self) -> str:
        """The task that this process, if it is the child, is to run."""
        message, files, _, _ = socket.recv_fds(self._control, _LONGEST_NAME, _FILES)
        if not message:
            self._selector.unregister(self._control)
            return ""
        pid = os.fork()
        if pid == 0:
            self._leave_to(files)
            return message.decode()
        for file in files[:3]:
            os.close(file)
        self._watch(pid, socket.socket(fileno=files[3]))
        return ""

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
