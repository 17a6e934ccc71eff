"""How fast networks learn: the validation score over the time trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from segbench.present.figures import Figure, FigureValue
from segbench.present.style import GRID, MUTED, OURS, identities
from segbench.present.values import measured
from segbench.records.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

LearningCurve = tuple[list[float], list[float]]
"""Minutes trained, and the score then."""

_TOGETHER = 8
"""As many curves as one pair of axes can hold and a reader tell apart."""
_PANEL_LETTERS = 36
"""Of a title, as wide as its panel."""


def learning_figure(entries: Sequence[Entry]) -> Figure | None:
    """mIoU at each validation of every training; None where fewer than two were validated on the way."""
    rows: list[list[FigureValue]] = []
    for entry in entries:
        item = measured(entry, "miou") if entry.case.task == "train" else None
        for step, seconds, score in item.detail.get("curve", ()) if item else ():
            rows.append([entry.model, step, seconds / 60, score])
    if len({row[0] for row in rows}) < 2:
        return None
    return Figure(
        "learning",
        "Learning curves",
        "mIoU of the validation split over the minutes of training; the time of validation is not counted.",
        ["network", "step", "minutes", "miou"],
        rows,
        _draw,
        raster=len(_curves(rows)) > _TOGETHER,
    )


def _draw(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    curves = _curves(rows)
    return _panels(curves) if len(curves) > _TOGETHER else _together(curves)


def _curves(rows: Sequence[Sequence[FigureValue]]) -> dict[str, LearningCurve]:
    """Minutes and per cent by network, in the ledger's order."""
    curves: dict[str, LearningCurve] = {}
    for name, _, minutes, score in rows:
        own = curves.setdefault(str(name), ([], []))
        own[0].append(float(minutes or 0))
        own[1].append(100 * float(score or 0))
    return curves


def _together(curves: Mapping[str, LearningCurve]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, look in identities(curves).items():
        axes.plot(*curves[name], marker=look.marker, color=look.colour, label=name)
    axes.set(xlabel="minutes of training", ylabel="mIoU, %")
    figure.legend(loc="outside right upper")
    return figure


def _panels(curves: Mapping[str, LearningCurve]) -> Canvas:
    """One panel a network before all the others in grey, the best at the end first."""
    from matplotlib.figure import Figure as Canvas

    columns = 4
    lines = -(-len(curves) // columns)
    figure = Canvas(figsize=(8.6, 0.5 + 1.4 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
    for name in sorted(curves, key=lambda name: -curves[name][1][-1]):
        axes = next(panels)
        for other in curves.values():
            axes.plot(*other, color=GRID, linewidth=0.8)
        axes.plot(*curves[name], marker="o", markersize=3, color=OURS)
        axes.set_title(fill(f"{name}  {curves[name][1][-1]:.1f}", _PANEL_LETTERS), fontsize=6.5)
    for axes in panels:
        axes.set_axis_off()
    figure.supxlabel("minutes of training", color=MUTED, fontsize=9)
    figure.supylabel("mIoU, %", color=MUTED, fontsize=9)
    return figure
