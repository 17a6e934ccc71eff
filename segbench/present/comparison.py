"""The tables and exports of `segbench compare`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.present.amounts import MISSING, by_unit
from segbench.present.sheet import Sheet

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


def comparison_sheets(lines: Sequence[Line]) -> list[Sheet]:
    """One table for each two cells, with a sentence a quantity below it."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.a, line.b, line.a_run, line.b_run, line.unlike), []).append(line)
    return [_sheet(group) for group in groups.values()]


def as_csv(lines: Sequence[Line]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COMPARISON_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(line) for line in lines)
    return text.getvalue()


def as_json(lines: Sequence[Line]) -> str:
    return json.dumps([vars(line) for line in lines], indent=1) + "\n"


def _sheet(lines: list[Line]) -> Sheet:
    first = lines[0]
    by = f" by {first.compared}" if first.compared else ", the same case twice"
    rows = [
        [
            line.quantity,
            by_unit(line.a_value, line.unit),
            by_unit(line.b_value, line.unit),
            MISSING if line.ratio is None else f"{line.ratio:.3g}",
            _interval(line),
            line.verdict,
        ]
        for line in lines
    ]
    notes = [line.sentence for line in lines]
    notes += [f"unlike: {first.unlike}"] if first.unlike else []
    notes.append(f"A is run {first.a_run}, B is run {first.b_run}")
    columns = ["quantity", f"A: {first.a}", f"B: {first.b}", "B/A", "95 %", "verdict"]
    return Sheet(f"{first.a} and {first.b}{by}", columns, rows, notes)


def _interval(line: Line) -> str:
    if line.ratio_low is None or line.ratio_high is None:
        return MISSING
    return "exact" if line.ratio_low == line.ratio_high else f"{line.ratio_low:.3g} to {line.ratio_high:.3g}"
