"""The tables of the measuring commands, as their commands show them, for whatever a ledger holds of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module

from segbench.cards.card import ModelCard
from segbench.present.table import Table
from segbench.records.ledger import Entry
from segbench.records.tasks import TASKS, Task
from segbench.studies.conditions import CONDITIONS

Tables = Callable[[Sequence[Entry], Mapping[str, ModelCard]], list[Table]]


def command_tables(entries: Sequence[Entry], cards: Mapping[str, ModelCard]) -> list[Table]:
    """Files are named after the task and numbered from the second on.

    Numbers that do not belong side by side (another size, device, data set) get tables of their own.
    """
    tables: list[Table] = []
    for task in filter(lambda task: task.tables, TASKS.values()):
        own = [entry for entry in entries if entry.case.task == task.name]
        made = [(table, label) for label, alike in _alike(own).items() for table in tables_of(task)(alike, cards)]
        for number, (table, label) in enumerate(made, start=1):
            title = f"{table.title}: {label}" if label else table.title
            tables.append(replace(table, name=task.name if number == 1 else f"{task.name}_{number}", title=title))
    return tables


def tables_of(task: Task) -> Tables:
    """What makes a task's tables."""
    module, _, name = task.tables.partition(":")
    found: Tables = getattr(import_module(module), name)
    return found


def _alike(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Entries of one task by the conditions they share; the label says what tells a group from the others."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[tuple(CONDITIONS[name](entry) for name in entry.case.kind.alike)].append(entry)
    everywhere = set.intersection(*(set(found) for found in groups)) if groups else set()
    words = {found: [word for word in found if word and word not in everywhere] for found in groups}
    return {", ".join(words[found]): alike for found, alike in groups.items()}
