"""A table for the terminal."""

from __future__ import annotations

from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from segbench.present.table import Table

_FOLDS = 32
"""Characters beyond which a cell is prose, or a list, and may be folded."""


def to_terminal(table: Table) -> RichTable:
    """A rich table; its caption holds the notes. Narrower than `least_width` it loses columns."""
    notes = table.all_notes()
    drawn = RichTable(
        title=table.title,
        title_justify="left",
        caption=Text("\n".join(notes), style="dim") if notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        show_header=any(table.headings),
    )
    for number, (column, width) in enumerate(zip(table.columns, _natural_widths(table), strict=True)):
        side: Literal["left", "right"] = "left" if number == 0 or column.left else "right"
        least = min(width, _FOLDS)
        drawn.add_column(column.heading, justify=side, overflow="fold", no_wrap=width <= _FOLDS, min_width=least)
    for line in table.lines():
        drawn.add_row(*(Text(text) for text in line))
    return drawn


def least_width(table: Table) -> int:
    """Characters a line needs so that no name and no number is cut."""
    widths = _natural_widths(table)
    return sum(min(width, _FOLDS) for width in widths) + 2 * len(widths)


def _natural_widths(table: Table) -> list[int]:
    columns = zip(*[table.headings, *table.lines()], strict=True)
    return [max(cell_len(line) for text in column for line in text.split("\n")) for column in columns]
