"""A table of a report: what is shown, the raw value behind it, and what a reader sees when pointing at it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.judged import MARKS
from segbench.present.sheet import Sheet


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as shown.
        value: raw, for sorting and for files; None where the text is all there is.
        hint: more about it.
        verdict: one of `VERDICTS` where the value is judged, whose mark is shown beside it.
    """

    text: str
    value: float | None = None
    hint: str = ""
    verdict: str = ""

    @property
    def marked(self) -> str:
        return f"{self.text} {MARKS[self.verdict]}" if self.verdict else self.text


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns.

    Attributes:
        name: of its files.
        columns: headings; in files, units are in them.
        notes: lines under the table.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def table_sheet(table: Table) -> Sheet:
    """For the terminal and Markdown."""
    return Sheet(table.title, table.columns, [[cell.marked for cell in row] for row in table.rows], table.notes)


def table_csv(table: Table) -> str:
    """Raw values where there are any, else what is shown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([cell.text if cell.value is None else f"{cell.value:.10g}" for cell in row])
    return text.getvalue()
