"""Writes a predicted step as a PyTorch memory snapshot, for the viewer at pytorch.org/memory_viz."""

from __future__ import annotations

from pathlib import Path

from segbench.estimate.snapshot import write_snapshot
from segbench.records.case import Case
from segbench.records.options import SnapshotOptions
from segbench.tasks.predict import batch_of, traced_step
from segbench.tasks.protocol import Reporter


def run(case: Case, report: Reporter) -> None:
    """Writes the step of the case's first mode to the option `path`."""
    mode, path = case.modes[0], Path(case.options_as(SnapshotOptions).path)
    write_snapshot(traced_step(case, mode, batch_of(case, mode)).log, path)
    report.progress("snapshot", 1, 1)
