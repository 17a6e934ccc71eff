"""Writes a predicted step as a PyTorch memory snapshot, for the viewer at pytorch.org/memory_viz."""

from __future__ import annotations

from pathlib import Path

from segbench.estimate.snapshot import write_snapshot
from segbench.estimate.step import trace_step
from segbench.records.case import Case
from segbench.tasks.predict import batch_of, overheads_of, workload_on_meta
from segbench.tasks.protocol import Reporter


def run(case: Case, report: Reporter) -> None:
    """Writes the step of the case's first mode to the option `path`."""
    mode, path = case.modes[0], Path(case.option("path"))
    traced = trace_step(
        lambda: workload_on_meta(case), mode, batch_of(case, mode), overheads=overheads_of(case), nfe=case.option("nfe")
    )
    write_snapshot(traced.log, path)
    report.progress("snapshot", 1, 1)
