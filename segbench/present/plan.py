"""A study's plan as a table: what will be asked, what the ledger answers already, and how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.formats import Format
from segbench.present.table import Column, Rows, Table, table_of


@dataclass(frozen=True)
class PlannedStep:
    """One line of the plan.

    Attributes:
        device: where it runs.
        todo, held: cells to be run, and cells that the ledger answers already.
        seconds: about, for those to be run.
        basis: where the seconds come from.
    """

    title: str
    device: str
    todo: int
    held: int
    seconds: float
    basis: str


def plan_table(title: str, steps: Sequence[PlannedStep], notes: Sequence[str]) -> Table:
    """One row a step and one for all."""
    rows: Rows = [
        [step.title, step.device, step.todo, step.held, step.seconds, step.basis] for step in _with_sum(steps)
    ]
    about = Column("about", Format("second", duration))
    return table_of(title, ["step", "on", "cells to run", "in the ledger", about, "estimated"], rows, notes)


def plan_lines(steps: Sequence[PlannedStep]) -> list[str]:
    """One line a step and one for all, for a log."""
    return [
        f"{step.title}: {step.todo} cells{f' on {step.device}' if step.device else ''}"
        f"{f', {step.held} in the ledger' if step.held else ''}, about {duration(step.seconds)}"
        for step in _with_sum(steps)
    ]


def _with_sum(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    todo, held = sum(step.todo for step in steps), sum(step.held for step in steps)
    return [*steps, PlannedStep("all", "", todo, held, sum(step.seconds for step in steps), "")]


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`: as precise as an estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
