"""Runs a task under the settings its record names, and tells where the network's code changed them meanwhile."""

from __future__ import annotations

from segbench.records.case import Case
from segbench.tasks.protocol import Reporter, RunTask
from segbench.workload.settings import kept_settings


def under_its_settings(task: RunTask) -> RunTask:
    """The task; what it leaves changed becomes a note, and is put back for the next case of the process."""

    def run(case: Case, report: Reporter) -> None:
        def tell(sentence: str) -> None:
            report.note(f"{case.model}: while it ran, {sentence}: what the record says of it holds for a part only")

        with kept_settings(tell):
            task(case, report)

    return run
