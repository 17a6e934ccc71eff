"""A study's plan as a table: what will be asked, what the ledger answers already, and how long it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.formats import Format
from segbench.present.table import Column, Columns, Rows, Table, table_of


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


def plan_sheet(title: str, steps: Sequence[PlannedStep], notes: Sequence[str]) -> Table:
    """One row a step and one for all."""
    rows: Rows = [[step.title, step.device, step.todo, step.held, step.seconds, step.basis] for step in steps]
    total = sum(step.seconds for step in steps)
    todo, held = sum(step.todo for step in steps), sum(step.held for step in steps)
    rows.append(["all", "", todo, held, total, ""])
    columns: Columns = [
        *("step", "on", "cells to run", "in the ledger"),
        *(Column("about", Format("second", duration)), "estimated"),
    ]
    return table_of(title, columns, rows, notes)


def plan_lines(steps: Sequence[PlannedStep]) -> list[str]:
    """One line a step and one for all, for a log."""
    total = PlannedStep(
        "all", "", sum(step.todo for step in steps), sum(step.held for step in steps),
        sum(step.seconds for step in steps), "",
    )  # fmt: skip
    return [
        f"{step.title}: {step.todo} cells{f' on {step.device}' if step.device else ''}"
        f"{f', {step.held} in the ledger' if step.held else ''}, about {duration(step.seconds)}"
        for step in (*steps, total)
    ]


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`: as precise as an estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
