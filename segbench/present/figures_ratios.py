"""The figure of Table 2: each network's ratio to HRNetV2, ours beside the paper's, one panel a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segbench.present.figures import Figure, FigureValue
from segbench.present.style import INK, MARKS, MUTED, OURS, PAPER, VERDICT_COLOURS
from segbench.present.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def ratios_figure(table: Table) -> Figure | None:
    """Every cell that has a ratio on one side at least; None where the table has none of ours."""
    rows: list[list[FigureValue]] = []
    for place, column in enumerate(table.columns[1:], start=1):
        for row in table.rows:
            cell = row[place]
            paper = cell.paper.ratio if cell.judgement and cell.paper else None
            rows.append([column.plain, row[0].text, cell.ratio, paper, cell.verdict or "ours"])
    if not any(row[2] is not None for row in rows):
        return None
    return Figure(
        f"{table.name}_ratios",
        "Ratio to HRNetV2: the paper's and ours",
        "Hollow: the paper; filled: ours, in the colour and with the sign of the verdict; the scale is logarithmic. "
        "Networks of ours that are not in the paper have no hollow mark.",
        ["column", "network", "ours", "paper", "verdict"],
        rows,
        _draw,
    )


def _draw(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    columns = list(dict.fromkeys(str(row[0]) for row in rows))
    networks = list(dict.fromkeys(str(row[1]) for row in rows))
    across = 3
    down = -(-len(columns) // across)
    figure = Canvas(figsize=(10.5, down * (0.8 + 0.27 * len(networks)) + 0.6), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for axes, column in zip(panels.flat, columns, strict=False):
        _panel(axes, column, [row for row in rows if row[0] == column], networks)
    for axes in list(panels.flat)[len(columns) :]:
        axes.set_visible(False)
    _legend(figure)
    return figure


def _panel(axes: Any, title: str, rows: Sequence[Sequence[FigureValue]], networks: Sequence[str]) -> None:
    axes.set_title(title)
    axes.set_xscale("log")
    axes.axvline(1, color=MUTED, linewidth=0.9, zorder=1)
    known = [float(value) for row in rows for value in (row[2], row[3]) if value is not None]
    low, high = min([*known, 0.5]), max([*known, 2.0])
    axes.set_xlim(low / 1.35, high * 1.35)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low / 1.35 <= tick <= high * 1.35]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(networks)), networks, color=INK)
    axes.set_ylim(len(networks) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    for _, network, ours, paper, verdict in rows:
        _mark(axes, networks.index(str(network)), ours, paper, str(verdict))
    if not any(row[2] is not None for row in rows):
        axes.text(0.98, 0.03, "no numbers of ours", transform=axes.transAxes, ha="right", color=MUTED, style="italic")


def _mark(axes: Any, height: int, ours: FigureValue, paper: FigureValue, verdict: str) -> None:
    colour = VERDICT_COLOURS.get(verdict, OURS)
    if ours is not None and paper is not None:
        axes.plot([paper, ours], [height, height], color=colour, linewidth=2.2, alpha=0.35, zorder=2)
    if paper is not None:
        axes.plot(paper, height, "o", markersize=7, markerfacecolor="white", markeredgecolor=PAPER, zorder=3)
    if ours is not None:
        axes.plot(ours, height, "o", markersize=7, color=colour, zorder=4)
        sign = MARKS.get(verdict)
        if sign:
            axes.annotate(sign, (float(ours), height), (0, 5), textcoords="offset points", ha="center", color=colour)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    def dot(colour: str, hollow: bool, label: str) -> Line2D:
        face = "white" if hollow else colour
        return Line2D(
            [], [], marker="o", linestyle="", markersize=7, markerfacecolor=face, markeredgecolor=colour, label=label
        )

    handles = [dot(PAPER, True, "paper")]
    handles += [dot(colour, False, f"{MARKS[name]} {name}") for name, colour in VERDICT_COLOURS.items()][:4]
    figure.legend(
        handles=[*handles, dot(OURS, False, "ours, not in the paper")],
        loc="outside lower center",
        ncols=6,
        handletextpad=0.2,
        columnspacing=1.4,
    )
