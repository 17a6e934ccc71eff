"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.table import Table


def to_markdown(table: Table) -> str:
    """A section: heading, pipe table, notes as a list."""
    rules = ["---" if number == 0 or column.left else "---:" for number, column in enumerate(table.columns)]
    lines = [f"## {table.title}", "", *map(_pipes, [table.headings, rules, *table.lines()])]
    notes = table.all_notes()
    return "\n".join([*lines, *(["", *(f"- {note}" for note in notes)] if notes else [])]) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ").strip() for cell in cells) + " |"
