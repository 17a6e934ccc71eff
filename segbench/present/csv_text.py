"""Comma-separated values: raw numbers with their units, and names that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from segbench.present.formats import Value
from segbench.present.table import Cell, Column, Table

_JUDGED = "row,column,quantity,standing,method,value,unit,ratio,paper_value,paper_ratio,verdict,why,conditions".split(
    ","
)
_FORMULA = ("=", "+", "-", "@", "\t")


def table_csv(table: Table) -> str:
    """A line a row under headings with units; of a table beside the paper a line a cell, nothing left out."""
    if table.beside_paper:
        return csv_text(_JUDGED, [_judged(*place, cell) for place, cell in table.cells.items()])
    fields = [
        field
        for place, column in enumerate(table.columns)
        for field in _fields(column, [row[place] for row in table.rows])
    ]
    return csv_text([heading for heading, _ in fields], zip(*(values for _, values in fields), strict=True))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A heading and lines; a missing value is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(map(safe, line)) for line in (columns, *rows)])
    return text.getvalue()


def safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula, behind an apostrophe; numbers stay as they are.

    A carriage return becomes a blank, since Python's writer leaves it unquoted. Source: OWASP, CSV Injection.
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fields(column: Column, cells: Sequence[Cell]) -> list[tuple[str, list[object]]]:
    """A column as one field or several: the parts of its values, and a field of units where they differ."""
    known = {cell.format.unit: None for cell in cells if cell.value is not None and not isinstance(cell.value, str)}
    units = list(known) or [column.format.unit]
    said = f" [{units[0]}]" if units[0] and len(units) == 1 else ""
    fields: list[tuple[str, list[object]]] = [
        (f"{column.key} {part}".strip() + said, [_part(cell.value, place) for cell in cells])
        for place, part in enumerate(column.format.parts)
        if part is not None
    ]
    if len(units) > 1:
        fields.append((f"{column.key} unit", [cell.format.unit for cell in cells]))
    return fields


def _part(value: Value, place: int) -> object:
    return value[place] if isinstance(value, tuple) else value


def _judged(row: str, column: str, cell: Cell) -> list[object]:
    paper = cell.paper or Cell()
    why = cell.judgement.why if cell.judgement else None
    ratios = [None if ratio is None else round(ratio, 4) for ratio in (cell.ratio, paper.ratio)]
    return [
        row, column, cell.quantity, cell.standing, cell.method, cell.value, cell.format.unit, ratios[0], paper.value,
        ratios[1], cell.verdict or None, why, cell.conditions,
    ]  # fmt: skip
