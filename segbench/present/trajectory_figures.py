"""The figures of `segbench trajectory`: accuracy over cost, and the error over time (SegNode paper, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from segbench.errors import UserError
from segbench.present.figures_trajectory import error_figure
from segbench.present.page.trajectory_viewer import Trajectory
from segbench.present.style import identities, styled
from segbench.present.trajectory_points import RULE, STEPS, TIME, Point, is_oracle, pareto_optimal, points_of, whole
from segbench.records.ledger import Entry

_COSTS = {
    "nfe_forward": ("evaluations of f an image", 1.0),
    "macs": ("GMAC an image", 1e-9),
    "latency_s": ("milliseconds an image", 1e3),
}
"""Quantity -> (axis title, factor)."""

_KNOBS = {TIME: ("o", "-", "shorter"), STEPS: ("s", "--", "other steps"), RULE: ("D", "", "each image by itself")}
"""Knob -> (marker, line, name)."""

_DOMINATED = "0.75"
_DPI = 120


@dataclass(frozen=True)
class Curves:
    """One network's points in one colour."""

    name: str
    points: Sequence[Point]
    colour: str


def trajectory_curves(entries: Sequence[Entry]) -> list[Curves]:
    """One set of curves an entry that has points."""
    found = [(entry.model, points) for entry in entries if (points := points_of(entry))]
    looks = identities(f"{name} {number}" for number, (name, _) in enumerate(found))
    return [Curves(name, points, look.colour) for (name, points), look in zip(found, looks.values(), strict=True)]


def draw_curves(curves: Sequence[Curves], title: str, path: Path) -> None:
    """mIoU over evaluations, MACs and time; dominated points are grey, oracles hollow.

    Raises:
        UserError: the file cannot be written.
    """
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    for axes, (cost, (name, factor)) in zip(figure.subplots(1, 3, sharey=True), _COSTS.items(), strict=True):
        everything = [point for item in curves for point in item.points]
        best = pareto_optimal(everything, cost)
        for item in curves:
            for knob in _KNOBS:
                _draw_knob(axes, item, knob, cost, factor, best)
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mIoU, % (bars: 95 %, images resampled)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, max(1, len(labels))), fontsize=9)
    figure.suptitle(f"{title}  (grey: not Pareto-optimal)")
    _save(figure, path)


def _draw_knob(axes: Any, item: Curves, knob: str, cost: str, factor: float, best: Sequence[Point]) -> None:
    """A line through a knob's points (rules have none), bars, and the points in colour or grey."""
    marker, line, name = _KNOBS[knob]
    points = [
        point
        for point in item.points
        if (point.knob == knob or (knob == STEPS and point is whole(item.points))) and point.value(cost) is not None
    ]
    if len(points) < (1 if knob == RULE else 2):
        return
    points.sort(key=lambda point: point.value(cost) or 0.0)
    across = [factor * (point.value(cost) or 0.0) for point in points]
    up = [100 * (point.value("miou") or 0.0) for point in points]
    if line:
        axes.plot(across, up, line, color=item.colour, alpha=0.5, linewidth=1.2, zorder=1)
    for x, y, point in zip(across, up, points, strict=True):
        colour = item.colour if point in best or is_oracle(point) else _DOMINATED
        _bars(axes, x, y, point, cost, factor, colour)
        inside = "white" if is_oracle(point) else colour
        axes.plot(x, y, marker, color=colour, markerfacecolor=inside, markersize=6, zorder=3)
    axes.plot([], [], marker + line, color=item.colour, label=f"{item.name}, {name}")


def _bars(axes: Any, x: float, y: float, point: Point, cost: str, factor: float, colour: str) -> None:
    scores, costs = point.interval("miou"), point.interval(cost)
    if scores:
        axes.plot([x, x], [100 * scores[0], 100 * scores[1]], color=colour, linewidth=1, zorder=2)
    if costs:
        axes.plot([factor * costs[0], factor * costs[1]], [y, y], color=colour, linewidth=1, zorder=2)


def draw_error(curves: Sequence[Curves], title: str, path: Path) -> None:
    """The figure that reports have: the error over the end time, and the mIoU drop beside the paper's.

    Raises:
        UserError: the file cannot be written.
    """
    ended = [(item.name, [point for point in item.points if point.knob == TIME]) for item in curves]
    figure = error_figure([Trajectory(name, tuple(points), (), ()) for name, points in ended if points])
    if figure is not None:
        with styled():
            drawn = figure.draw(figure.rows)
            drawn.suptitle(title)
            _save(drawn, path)


def _save(figure: Figure, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DPI)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place with -o") from error
