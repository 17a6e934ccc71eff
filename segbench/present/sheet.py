"""A table as data, drawn for the terminal or written as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Sheet:
    """What a command shows.

    Attributes:
        title: one line.
        columns: headings; the first column is text, the others are numbers and set right.
        rows: as many cells as columns.
        notes: lines under the table: provenance first, then what limits the numbers.
        prose: every column is text and set left.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())
    prose: bool = False


def to_terminal(sheet: Sheet) -> Table:
    """A rich table; its caption holds the notes. Narrower than `least_width` it loses columns."""
    caption = Text("\n".join(sheet.notes), style="dim") if sheet.notes else None
    table = Table(
        title=sheet.title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        show_header=any(sheet.columns),
    )
    for number, (heading, width) in enumerate(zip(sheet.columns, _natural_widths(sheet), strict=True)):
        side: Literal["left", "right"] = "left" if number == 0 or sheet.prose else "right"
        table.add_column(heading, justify=side, overflow="fold", no_wrap=width <= _FOLDS, min_width=min(width, _FOLDS))
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


_FOLDS = 32
"""Characters beyond which a cell is prose, or a list, and may be folded."""


def least_width(sheet: Sheet) -> int:
    """Characters a line needs so that no name and no number is cut."""
    widths = _natural_widths(sheet)
    return sum(min(width, _FOLDS) for width in widths) + 2 * len(widths)


def _natural_widths(sheet: Sheet) -> list[int]:
    columns = zip(*[sheet.columns, *sheet.rows], strict=True)
    return [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]


def to_markdown(sheet: Sheet) -> str:
    """A Markdown section: heading, pipe table, notes as a list."""
    rule = "---" if sheet.prose else "---:"
    lines = [f"## {sheet.title}", "", _pipes(sheet.columns), _pipes(["---", *[rule] * (len(sheet.columns) - 1)])]
    lines += [_pipes(row) for row in sheet.rows]
    if sheet.notes:
        lines += ["", *(f"- {note}" for note in sheet.notes)]
    return "\n".join(lines) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ").strip() for cell in cells) + " |"
