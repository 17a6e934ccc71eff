"""The one table: raw values with their formats, from a command's result to terminal, CSV, LaTeX, Markdown and page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segbench.present.amounts import MISSING
from segbench.present.formats import TEXT, Format, Value
from segbench.present.style import MARKS
from segbench.statistics.verdicts import VERDICTS, Judgement

Columns = list["str | Column"]
Rows = list[Sequence["Value | Cell"]]
"""As `table_of` takes them: plain headings and raw values, or columns and cells where more is known."""

LEGEND = "; ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        heading: as shown; a line break belongs to it.
        format: of its cells, unless a cell has its own.
        name: in files and as a key; by default the heading in one line.
        left: set left, as prose is; the first column always is.
    """

    heading: str
    format: Format = TEXT
    name: str = ""
    left: bool = False

    @property
    def key(self) -> str:
        return self.name or self.plain

    @property
    def plain(self) -> str:
        """The heading in one line."""
        return " ".join(self.heading.split())


@dataclass(frozen=True)
class Cell:
    """One value, how it is shown, and what is known about it.

    Attributes:
        value: raw, in the unit of its format.
        format: the column's, unless set.
        label: shown instead of the value: a name for a key, a reason for what is missing.
        ratio: to the reference model; None where a ratio says nothing.
        paper: the published number beside which it stands.
        judgement: how the two agree; None for networks that stand beside the paper without being in it.
        quantity, method, conditions: where the value comes from.
    """

    value: Value = None
    format: Format = TEXT
    label: str | None = None
    ratio: float | None = None
    paper: Cell | None = None
    judgement: Judgement | None = None
    quantity: str = ""
    method: str = ""
    conditions: str = ""

    @property
    def text(self) -> str:
        """The value as people read it, without ratio and mark."""
        if self.label is not None:
            return self.label
        return MISSING if self.value is None else self.format.draw(self.value)

    @property
    def verdict(self) -> str:
        return self.judgement.verdict if self.judgement else ""

    @property
    def mark(self) -> str:
        return MARKS[self.verdict] if self.verdict else ""

    @property
    def standing(self) -> str:
        """`measured`, `predicted`, `counted`; else `published` if only the paper has a number, else `missing`."""
        if self.value is not None:
            return self.method.partition(":")[0]
        return "published" if self.paper is not None else "missing"


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns; `table_of` makes one.

    Attributes:
        title: one line.
        notes: lines under the table: provenance first, then what limits the numbers.
        name: of its files.
        footer: a last row about the columns.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    name: str = ""
    footer: Sequence[Cell] = ()

    @property
    def headings(self) -> list[str]:
        return [column.heading for column in self.columns]

    @property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """By the row's first value and the column's key, without the first column."""
        return {
            (str(row[0].value), column.key): cell
            for row in self.rows
            for column, cell in zip(self.columns[1:], row[1:], strict=True)
        }

    @property
    def beside_paper(self) -> bool:
        """Whether published numbers stand in its cells."""
        return any(cell.paper for row in self.rows for cell in row)

    def tally(self) -> dict[str, int]:
        """How many cells have each verdict, all five named."""
        found = Counter(cell.verdict for row in self.rows for cell in row)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def lines(self) -> list[list[str]]:
        """Its rows as text; where published numbers are judged, they have a line of their own under ours."""
        lines = []
        for row in self.rows:
            if any(cell.paper for cell in row) and any(cell.judgement for cell in row):
                lines.append([with_ratio(cell) for cell in row])
                lines.append(["  paper", *(_marked(with_ratio(cell.paper or Cell()), cell) for cell in row[1:])])
            else:
                lines.append([_marked(with_ratio(cell), cell) for cell in row])
        return lines + ([[_marked(cell.text, cell) for cell in self.footer]] if self.footer else [])

    def all_notes(self) -> list[str]:
        """The notes, and where numbers are judged the legend of the marks with the tally."""
        told = [f"{count} {verdict}" for verdict, count in self.tally().items()]
        return [*self.notes, *([f"{LEGEND} ({', '.join(told)})"] if self.beside_paper else [])]


def table_of(
    title: str,
    columns: Sequence[str | Column],
    rows: Sequence[Sequence[Value | Cell]],
    notes: Sequence[str] = (),
    *,
    name: str = "",
    prose: bool = False,
) -> Table:
    """A table of plain headings and raw values, or of columns and cells where more is known of them.

    Args:
        prose: every column is text and set left.
    """
    made = [Column(column, left=prose) if isinstance(column, str) else column for column in columns]
    cells = [[_cell(item, column) for item, column in zip(row, made, strict=True)] for row in rows]
    return Table(title, made, cells, notes, name)


def with_ratio(cell: Cell) -> str:
    """`17.1 GB (0.75)`, where there is a ratio."""
    known = cell.ratio is not None and cell.value is not None
    return f"{cell.text} ({cell.ratio:.2f})" if known else cell.text


def without_empty_columns(table: Table) -> Table:
    """Without columns in which nothing is shown, except the first."""
    kept = [n for n, _ in enumerate(table.columns) if n == 0 or any(row[n].text not in ("", "-") for row in table.rows)]
    return replace(table, columns=[table.columns[n] for n in kept], rows=[[row[n] for n in kept] for row in table.rows])


def keyed(labels: Mapping[str, str]) -> dict[str, Cell]:
    """First cells of rows: what is shown for each key."""
    return {key: Cell(key, label=label) for key, label in labels.items()}


def _cell(item: Value | Cell, column: Column) -> Cell:
    if not isinstance(item, Cell):
        return Cell(item, column.format if not isinstance(item, str) else TEXT)
    return replace(item, format=column.format) if item.format is TEXT and not isinstance(item.value, str) else item


def _marked(text: str, cell: Cell) -> str:
    return f"{text} {cell.mark}" if cell.mark else text
