"""The tables of the measuring commands, as their commands show them, for whatever a ledger holds of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from segbench.cards.card import Card
from segbench.present.epoch import epoch_sheets
from segbench.present.evaluation import evaluation_sheets
from segbench.present.gradients import gradients_sheets
from segbench.present.latency import latency_sheets
from segbench.present.sheet import Sheet
from segbench.present.table import Cell, Table
from segbench.present.training import training_sheet
from segbench.present.trajectory import trajectory_sheets
from segbench.records.ledger import Entry

Sheets = Callable[[Sequence[Entry], Mapping[str, Card]], list[Sheet]]

_OF_TASK: dict[str, Sheets] = {
    "latency": latency_sheets,
    "epoch": epoch_sheets,
    "train": lambda entries, _: [training_sheet(entries)],
    "evaluate": evaluation_sheets,
    "trajectory": lambda entries, _: trajectory_sheets(entries),
    "gradients": lambda entries, _: gradients_sheets(entries),
}
"""Memory, batches and operations are in the table of all networks."""


def command_tables(entries: Sequence[Entry], cards: Mapping[str, Card]) -> list[Table]:
    """One table a sheet; files are named after the task and numbered from the second on."""
    tables = []
    for task, sheets in _OF_TASK.items():
        own = [entry for entry in entries if entry.case.task == task]
        for number, sheet in enumerate(sheets(own, cards) if own else [], start=1):
            tables.append(_table(task if number == 1 else f"{task}_{number}", sheet))
    return tables


def _table(name: str, sheet: Sheet) -> Table:
    rows = [[Cell(text) for text in row] for row in sheet.rows]
    return Table(name, sheet.title, sheet.columns, rows, sheet.notes)
