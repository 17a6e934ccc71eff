"""The figure of `segbench adaptive`: accuracy over operations and over time, deciding beside every control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segbench.present.adaptive_points import FIXED, ORACLE, PERMUTED, POLICY, Way, ways_of
from segbench.present.figures import Figure, FigureValue
from segbench.present.style import identities
from segbench.records.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_STATIC = "static"

_LOOKS: dict[str, tuple[str, str, str]] = {
    POLICY: ("o", "-", "deciding"),
    FIXED: ("s", "--", "fixed exits"),
    PERMUTED: ("x", "", "decisions of other images"),
    ORACLE: ("*", "", "oracle"),
    _STATIC: ("D", "", "static network"),
}
"""Kind -> (marker, line, name)."""

_COLUMNS = ("network", "kind", "policy", "GMACs", "ms", "mIoU, %", "low", "high")


def adaptive_figure(entries: Sequence[Entry]) -> Figure | None:
    """None where nothing was judged."""
    found = [(entry.model, ways_of(entry)) for entry in entries if entry.case.task == "adaptive"]
    rows = [row for model, ways in found for row in _rows(model, ways)]
    if not rows:
        return None
    return Figure(
        "adaptive",
        "Accuracy of adaptive networks over operations and time",
        "Means over images, batch 1. A line through a policy's thresholds, dashed through the fixed exits. Decisions of"
        " other images stand at the time of their own policy; the oracle decides by the truth,"
        " which makes it a reference, not a bound. Shaded: 95 %, images"
        " resampled, cut off at the edge.",
        _COLUMNS,
        rows,
        _draw,
    )


def _rows(model: str, ways: Sequence[Way]) -> list[list[FigureValue]]:
    seconds = {way.name: way.seconds() for way in ways}
    rows: list[list[FigureValue]] = []
    for way in ways:
        kind = _STATIC if way.is_static else way.kind
        time = seconds.get(str(way.detail("miou", "of"))) if kind == PERMUTED else seconds[way.name]
        score = way.rows["miou"]
        ends = [None if end is None else 100 * end for end in (score.spread_low, score.spread_high)]
        rows.append([model, kind, way.name, _scaled(way.macs, 1e-9), _scaled(time, 1e3), 100 * way.miou, *ends])
    return rows


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _draw(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(10.5, 4.8), layout="constrained")
    looks = identities(str(row[0]) for row in rows)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, label in zip(panels, (3, 4), ("GMACs an image", "milliseconds an image"), strict=True):
        for network, look in looks.items():
            for kind in _LOOKS:
                own = [row for row in rows if row[0] == network and row[1] == kind and row[column] is not None]
                _draw_kind(axes, own, kind, column, look.colour, network)
        axes.set_xlabel(label)
    panels[0].set(ylabel="mIoU, %", ylim=_limits([float(row[5] or 0) for row in rows]))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _draw_kind(
    axes: Any, rows: Sequence[Sequence[FigureValue]], kind: str, column: int, colour: str, network: str
) -> None:
    """Curves of several policies are separate lines."""
    marker, line, name = _LOOKS[kind]
    label = f"{network}: {name}"
    for word in dict.fromkeys(_word(row, kind) for row in rows):
        own = sorted((row for row in rows if _word(row, kind) == word), key=lambda row: float(row[column] or 0))
        across, up = ([float(row[place] or 0) for row in own] for place in (column, 5))
        if kind == POLICY:
            low, high = ([float(row[place] or 0) for row in own] for place in (6, 7))
            axes.fill_between(across, low, high, color=colour, alpha=0.08, linewidth=0)
        inside = "white" if kind == ORACLE else colour
        size = 9 if kind == ORACLE else 5
        axes.plot(across, up, marker + line, color=colour, markerfacecolor=inside, markersize=size, label=label)
        label = "_"


def _limits(scores: Sequence[float]) -> tuple[float, float]:
    """The points with half as much room above and below: intervals of the scores are far wider than differences."""
    low, high = min(scores), max(scores)
    room = max(0.5, (high - low) / 2)
    return max(0.0, low - room), high + room


def _word(row: Sequence[FigureValue], kind: str) -> str:
    """What belongs on one line: a policy whatever its threshold; all that is fixed."""
    return str(row[2]).partition("<")[0].partition(">")[0] if kind == POLICY else kind
