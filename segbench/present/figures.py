"""A figure of a report: its data as rows, and how they are drawn; the rows alone decide what is seen."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.present.csv_text import csv_text
from segbench.present.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FigureValue = str | float | int | None


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: of its files.
        title: one line.
        caption: what is drawn and how to read it.
        columns, rows: the data.
        draw: makes the picture of `rows`.
        raster: it shows photographs, which an SVG would only wrap, or so many shapes that it would be large.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[FigureValue]]
    draw: Callable[[Sequence[Sequence[FigureValue]]], Canvas]
    raster: bool = False

    @property
    def image(self) -> str:
        """The file that documents show."""
        return f"{self.name}.{'png' if self.raster else 'svg'}"


def figure_csv(figure: Figure) -> str:
    """The data, floats to ten digits."""
    rows = [[f"{value:.10g}" if isinstance(value, float) else value for value in row] for row in figure.rows]
    return csv_text(figure.columns, rows)


def save_figure(figure: Figure, folder: Path) -> list[Path]:
    """Writes `NAME.png`, `NAME.csv` and, of what is drawn in a few lines, `NAME.svg`; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    png, data, svg = (folder / f"{figure.name}.{ending}" for ending in ("png", "csv", "svg"))
    with styled():
        canvas = figure.draw(figure.rows)
        _save_png(canvas, png)
        if not figure.raster:
            canvas.savefig(svg, metadata={"Date": None, "Creator": None})
            svg.write_text(_shortened(svg.read_text(encoding="utf-8")), encoding="utf-8")
    data.write_text(figure_csv(figure), encoding="utf-8")
    return [png, data, *([] if figure.raster else [svg])]


def _save_png(canvas: Canvas, path: Path) -> None:
    """With a palette: a third of the size, and nobody sees it."""
    from PIL import Image

    drawn = io.BytesIO()
    canvas.savefig(drawn, metadata={"Software": None})
    Image.open(drawn).convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE).save(path, optimize=True)


_PALETTE = 128


def _shortened(svg: str) -> str:
    """Paths with coordinates to a hundredth of a point: half the size, and nobody sees it."""
    return re.sub(r' d="([^"]*)"', lambda path: f' d="{re.sub(_DIGITS, _HUNDREDTHS, path[1])}"', svg)


_DIGITS, _HUNDREDTHS = r"(\.\d\d)\d+", r"\1"
