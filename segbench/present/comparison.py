"""The tables and exports of `segbench compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.formats import THREE_DIGITS, Format, Value, of_unit
from segbench.present.table import Cell, Column, Columns, Table, table_of

COMPARISON_COLUMNS = (
    "quantity,unit,mode,a,b,a_value,b_value,ratio,ratio_low,ratio_high,verdict,compared,unlike,a_run,b_run,sentence"
).split(",")


@dataclass(frozen=True)
class Line:
    """One quantity of two cells, ready to be shown.

    Attributes:
        a, b: what the two sides are called.
        compared: the factors meant to differ.
        unlike: what else differs, for people; empty if nothing does.
        a_run, b_run: where they stand in their ledgers.
    """

    quantity: str
    unit: str
    mode: str | None
    a: str
    b: str
    a_value: float
    b_value: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str
    compared: str
    unlike: str
    a_run: str
    b_run: str
    sentence: str


def comparison_tables(lines: Sequence[Line]) -> list[Table]:
    """One table for each two cells, with a sentence a quantity below it."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.a, line.b, line.a_run, line.b_run, line.unlike), []).append(line)
    return [_table(group) for group in groups.values()]


def _table(lines: list[Line]) -> Table:
    first = lines[0]
    by = f" by {first.compared}" if first.compared else ", the same case twice"
    rows = [
        [
            line.quantity,
            Cell(line.a_value, of_unit(line.unit)),
            Cell(line.b_value, of_unit(line.unit)),
            line.ratio,
            _interval(line),
            line.verdict,
        ]
        for line in lines
    ]
    notes = [line.sentence for line in lines]
    notes += [f"unlike: {first.unlike}"] if first.unlike else []
    notes.append(f"A is run {first.a_run}, B is run {first.b_run}")
    columns: Columns = [
        *("quantity", f"A: {first.a}", f"B: {first.b}"),
        *(Column("B/A", THREE_DIGITS), Column("95 %", _INTERVAL, "B/A")),
        "verdict",
    ]
    return table_of(f"{first.a} and {first.b}{by}", columns, rows, notes)


_INTERVAL = Format(
    "", lambda ends: "exact" if ends[0] == ends[1] else "{:.3g} to {:.3g}".format(*ends), ("low", "high")
)


def _interval(line: Line) -> Value:
    return None if line.ratio_low is None or line.ratio_high is None else (line.ratio_low, line.ratio_high)
