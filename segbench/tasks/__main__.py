"""`python -m segbench.tasks NAME`: runs one task in this process and reports on stdout."""

from __future__ import annotations

import importlib
import sys

from segbench.tasks.environment import describe
from segbench.tasks.orphan import die_with_parent
from segbench.tasks.outcome import classify
from segbench.tasks.protocol import serve
from segbench.tasks.settings import under_its_settings


def main() -> None:
    """Runs the task named by the first argument."""
    die_with_parent()
    task = importlib.import_module(f"segbench.tasks.{sys.argv[1]}")
    serve(under_its_settings(task.run), describe, classify)


if __name__ == "__main__":
    main()
