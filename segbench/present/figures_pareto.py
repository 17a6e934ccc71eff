"""The figure of cost against accuracy: the first pair of axes of the page's plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segbench.present.figures import Figure, FigureValue
from segbench.present.page.pareto import Pareto, pareto_front
from segbench.present.style import GRID, INK, MUTED, identities
from segbench.units import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_SCALES = {"byte": (GIB, " (GiB)"), "second": (1.0, " (s)"), "fraction": (0.01, " (%)")}
"""Unit -> (what is counted as one, the axis's suffix)."""


def pareto_figure(pareto: Pareto) -> Figure | None:
    """None where fewer than two networks have both."""
    if not pareto.x or not pareto.y:
        return None
    x, y = pareto.axis(pareto.x), pareto.axis(pareto.y)
    kept = {spot.network for spot in pareto_front(pareto.spots, x, y)}
    rows: list[list[FigureValue]] = [
        [spot.network, *_scaled(spot.values[x.key].value, x.unit), *_scaled(spot.values[y.key].value, y.unit),
         "yes" if spot.network in kept else "no"]
        for spot in pareto.spots
        if x.key in spot.values and y.key in spot.values
    ]  # fmt: skip
    if len(rows) < 2:
        return None
    across, up = (axis.label + _SCALES.get(axis.unit, (1.0, ""))[1] for axis in (x, y))
    return Figure(
        "pareto",
        "Cost and accuracy",
        "Dashed: the Pareto-optimal networks; dominated networks are pale.",
        ["network", across, up, "Pareto-optimal"],
        rows,
        lambda rows: _draw(rows, across, up),
    )


_NAMED_BESIDE = 8
"""Points whose names find room beside them; of more, a legend has the names."""


def _scaled(value: float, unit: str) -> tuple[float]:
    return (value / _SCALES.get(unit, (1.0, ""))[0],)


def _draw(rows: Sequence[Sequence[FigureValue]], across: str, up: str) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    crowded = len(rows) > _NAMED_BESIDE
    figure = Canvas(figsize=(10.0 if crowded else 7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    looks = identities(str(row[0]) for row in rows)
    best = sorted((row for row in rows if row[3] == "yes"), key=lambda row: float(row[1] or 0))
    line = [[float(row[column] or 0) for row in best] for column in (1, 2)]
    axes.plot(*line, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
    for network, x, y, kept in rows:
        place = (float(x or 0), float(y or 0))
        look = looks[str(network)]
        alpha = 1.0 if kept == "yes" else 0.45
        style: dict[str, Any] = {"color": look.colour, "markersize": 9, "alpha": alpha, "markeredgecolor": "white"}
        axes.plot(*place, look.marker, **style, label=str(network))
        if not crowded:
            axes.annotate(str(network), place, (8, 5), textcoords="offset points", alpha=alpha)
    _frame(axes, across, up)
    if crowded:
        figure.legend(loc="outside right center", fontsize=8)
    return figure


_LARGE = 1e4
"""Counts from here on are written as 157 M, as tables write them."""


def _frame(axes: Any, across: str, up: str) -> None:
    from matplotlib.ticker import EngFormatter

    for axis, (_, most) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if most > _LARGE:
            axis.set_major_formatter(EngFormatter())
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.margins(0.14)
    low, _ = axes.get_ylim()
    axes.set_ylim(bottom=max(0, low))
    axes.set_xlim(left=max(0, axes.get_xlim()[0]))
    axes.tick_params(colors=INK)
    axes.spines[["left", "bottom"]].set_color(GRID)
