"""A figure of a report: its data as rows, and how they are drawn; the rows alone decide what is seen."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.present.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Value = str | float | int | None


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: of its files.
        title: one line.
        caption: what is drawn and how to read it.
        columns, rows: the data.
        draw: makes the picture of `rows`.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    draw: Callable[[Sequence[Sequence[Value]]], Canvas]


def figure_csv(figure: Figure) -> str:
    """The data, floats to ten digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(figure.columns)
    for row in figure.rows:
        writer.writerow([f"{value:.10g}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def save_figure(figure: Figure, folder: Path) -> list[Path]:
    """Writes `NAME.svg`, `NAME.png` and `NAME.csv`; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{figure.name}.{ending}" for ending in ("svg", "png", "csv")]
    with styled():
        canvas = figure.draw(figure.rows)
        canvas.savefig(paths[0], metadata={"Date": None, "Creator": None})
        canvas.savefig(paths[1], metadata={"Software": None})
    paths[2].write_text(figure_csv(figure), encoding="utf-8")
    return paths
