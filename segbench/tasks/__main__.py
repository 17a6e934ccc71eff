"""`python -m segbench.tasks NAME`: runs one task in this process and reports on stdout."""

from __future__ import annotations

import atexit
import importlib
import os
import sys

from segbench.cards.spec import BUDGET
from segbench.records.case import Case
from segbench.tasks.environment import describe
from segbench.tasks.orphan import die_with_parent
from segbench.tasks.outcome import classify
from segbench.tasks.protocol import Reporter, RunTask, serve
from segbench.tasks.settings import under_its_settings


def main() -> None:
    """Runs the task named by the first argument, and ends the process."""
    die_with_parent()
    task = importlib.import_module(f"segbench.tasks.{sys.argv[1]}")
    serve(under_its_settings(_with_budget_settled(task.run)), describe, classify)
    _end()


def _with_budget_settled(task: RunTask) -> RunTask:
    """The task, on a network whose `+checkpoint:budget=` has become modules."""

    def run(case: Case, report: Reporter) -> None:
        if BUDGET in case.model and case.task != "savings":  # which answers for budgets that cannot be met
            from segbench.tasks.budget import settle  # half of segbench, which few children need

            settled = settle(case)
            report.note(settled.sentence)
            case = settled.case
        task(case, report)

    return run


def _end() -> None:
    """Exit handlers run; threads that a network left are not waited for, nor are thousands of modules taken apart."""
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
