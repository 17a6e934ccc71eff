"""`python -m segbench.tasks NAME`: runs one task in this process and reports on stdout."""

from __future__ import annotations

import ctypes
import importlib
import signal
import sys

from segbench.tasks.environment import describe
from segbench.tasks.orphan import die_with_parent
from segbench.tasks.outcome import classify
from segbench.tasks.protocol import serve


def main() -> None:
    """Runs the task named by the first argument."""
    _die_with_the_command()
    die_with_parent()
    task = importlib.import_module(f"segbench.tasks.{sys.argv[1]}")
    serve(task.run, describe, classify)


def _die_with_the_command() -> None:
    """A command that is killed leaves no child behind to hold the device; Linux only, elsewhere it runs to its end."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    main()
