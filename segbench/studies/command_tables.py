"""The tables of the measuring commands, as their commands show them, for whatever a ledger holds of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from segbench.cards.card import ModelCard
from segbench.present.epoch import epoch_sheets
from segbench.present.evaluation import evaluation_sheets
from segbench.present.gradients import gradients_sheets
from segbench.present.latency import latency_sheets
from segbench.present.sheet import Sheet
from segbench.present.table import Cell, Table
from segbench.present.training import training_sheet
from segbench.present.trajectory import trajectory_sheets
from segbench.records.ledger import Entry

Sheets = Callable[[Sequence[Entry], Mapping[str, ModelCard]], list[Sheet]]

_OF_TASK: dict[str, Sheets] = {
    "latency": latency_sheets,
    "epoch": epoch_sheets,
    "train": lambda entries, _: [training_sheet(entries)],
    "evaluate": evaluation_sheets,
    "trajectory": lambda entries, _: trajectory_sheets(entries),
    "gradients": lambda entries, _: gradients_sheets(entries),
}
"""Memory, batches and operations are in the table of all networks."""


def command_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """One table a sheet; files are named after the task and numbered from the second on.

    Numbers that do not belong side by side (another size, device, data set) get tables of their own.
    """
    tables: list[Table] = []
    for task, sheets in _OF_TASK.items():
        own = [entry for entry in entries if entry.case.task == task]
        made = [(sheet, label) for label, alike in _alike(own).items() for sheet in sheets(alike, cards)]
        for number, (sheet, label) in enumerate(made, start=1):
            tables.append(_table(task if number == 1 else f"{task}_{number}", sheet, label))
    return tables


def _alike(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Entries of one task by the conditions they share; the label says what tells a group from the others."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[_conditions(entry)].append(entry)
    everywhere = set.intersection(*(set(found) for found in groups)) if groups else set()
    return {", ".join(word for word in found if word not in everywhere): alike for found, alike in groups.items()}


def _conditions(entry: Entry) -> tuple[str, ...]:
    """What has to be the same for all rows of a table; none where each row has a table of its own anyway."""
    case = entry.case
    place = (entry.environment.device_name,) if entry.environment else ()
    run = (*place, f"{case.width}x{case.height}", case.precision, f"{case.threads or 'usual'} threads", *case.switches)
    source = f"{case.dataset or 'random'} images"
    if case.task == "latency":
        return (*run, source, f"batch {case.infer_batch}")
    if case.task == "epoch":
        return (*run, source, f"{case.option('images') or 'its'} images an epoch")
    if case.task == "evaluate":
        return (f"{case.dataset} {case.split}", f"{case.classes} classes")
    return ()


def _table(name: str, sheet: Sheet, label: str) -> Table:
    rows = [[Cell(text) for text in row] for row in sheet.rows]
    return Table(name, f"{sheet.title}: {label}" if label else sheet.title, sheet.columns, rows, sheet.notes)
