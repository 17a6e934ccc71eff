"""Tables in which every number of ours stands beside a published one, with a verdict."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from segbench.present.amounts import MISSING
from segbench.present.sheet import Sheet
from segbench.statistics.verdicts import VERDICTS, Judgement

MARKS = {
    "reproduced": "✓",
    "same direction": "≈",
    "contradicted": "✗",
    "not comparable": "∅",
    "missing": "·",
}
"""One sign a verdict, so that no table relies on colour."""


@dataclass(frozen=True)
class JudgedCell:
    """One number of ours beside one of the paper's.

    Attributes:
        value, paper_value: raw, in `unit`.
        ours, paper: as shown, both in the unit the paper prints.
        our_ratio, paper_ratio: to the reference; None where a ratio says nothing.
        judgement: None for networks that stand beside the paper without being in it.
        quantity, method, conditions: where our number comes from.
        standing: `measured`, `predicted`, `counted`, else `published` if only the paper has a number, else `missing`.
    """

    value: float | None = None
    paper_value: float | None = None
    unit: str = ""
    ours: str = MISSING
    paper: str = MISSING
    our_ratio: float | None = None
    paper_ratio: float | None = None
    judgement: Judgement | None = None
    quantity: str = ""
    method: str = ""
    conditions: str = ""

    @property
    def standing(self) -> str:
        if self.value is not None:
            return self.method.partition(":")[0]
        return "published" if self.paper_value is not None else "missing"


@dataclass(frozen=True)
class JudgedTable:
    """Networks down, published quantities across.

    Attributes:
        name: of its files.
        rows: labels by key, in order.
        columns: headings by key, in order.
        cells: by (row key, column key); all are there.
        orders: by column key, what the order of the networks says.
        notes: under the table.
    """

    name: str
    title: str
    rows: Mapping[str, str]
    columns: Mapping[str, str]
    cells: Mapping[tuple[str, str], JudgedCell]
    orders: Mapping[str, Judgement] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def tally(self) -> dict[str, int]:
        """How many cells have each verdict, all five named."""
        found = Counter(cell.judgement.verdict for cell in self.cells.values() if cell.judgement)
        return {verdict: found[verdict] for verdict in VERDICTS}


LEGEND = "; ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())


def judged_sheet(table: JudgedTable) -> Sheet:
    """Ours with its ratio to the reference, and under it, where it is judged, the paper's with the verdict's mark."""
    rows = []
    for key, label in table.rows.items():
        cells = [table.cells[key, column] for column in table.columns]
        rows.append([label, *(_with_ratio(cell.ours, cell.our_ratio) for cell in cells)])
        if any(cell.judgement for cell in cells):
            rows.append(["  paper", *(_with_mark(cell) for cell in cells)])
    if table.orders:
        orders = [table.orders.get(column) for column in table.columns]
        rows.append(["order", *(f"{_tau(order)} {MARKS[order.verdict]}" if order else "" for order in orders)])
    said = [f"{count} {verdict}" for verdict, count in table.tally().items()]
    return Sheet(table.title, ["", *table.columns.values()], rows, [*table.notes, f"{LEGEND} ({', '.join(said)})"])


def judged_csv(table: JudgedTable) -> str:
    """One cell a line, nothing left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    writer.writerows(_csv_rows(table))
    return text.getvalue()


_CSV_COLUMNS = (
    "row,column,quantity,standing,method,value,unit,ratio,paper_value,paper_ratio,verdict,why,conditions".split(",")
)


def _csv_rows(table: JudgedTable) -> Iterator[list[object]]:
    for (row, column), cell in table.cells.items():
        judgement = cell.judgement
        yield [
            row,
            column,
            cell.quantity,
            cell.standing,
            cell.method,
            cell.value,
            cell.unit,
            _rounded(cell.our_ratio),
            cell.paper_value,
            _rounded(cell.paper_ratio),
            judgement.verdict if judgement else None,
            judgement.why if judgement else None,
            cell.conditions,
        ]


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _with_ratio(text: str, ratio: float | None) -> str:
    return text if ratio is None or text == MISSING else f"{text} ({ratio:.2f})"


def _with_mark(cell: JudgedCell) -> str:
    text = _with_ratio(cell.paper, cell.paper_ratio)
    return f"{text} {MARKS[cell.judgement.verdict]}" if cell.judgement else text


def _tau(order: Judgement) -> str:
    """`tau +0.87` of the judgement's sentence; what is missing says so itself."""
    return order.why.partition(" over")[0] if order.verdict != "missing" else MISSING
