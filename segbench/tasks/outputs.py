"""Tells which of a network's outputs was read."""

from __future__ import annotations

from segbench.records.case import Case
from segbench.tasks.protocol import Reporter
from segbench.workload.outputs import OutputReader


def tell_outputs(outputs: OutputReader, case: Case, report: Reporter) -> None:
    """A note where the network gave several class maps, so that there was a choice."""
    for sentence in outputs.notes():
        report.note(f"{case.model}: {sentence}")
