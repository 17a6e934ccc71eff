"""The figure of `segbench adaptive`: accuracy over operations and over time, deciding beside every control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from segbench.present.adaptive_points import FIXED, ORACLE, PERMUTED, POLICY, Way, ways_of
from segbench.present.figures import Figure, FigureValue
from segbench.present.style import MUTED, identities
from segbench.records.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_STATIC = "static"

_LOOKS: dict[str, tuple[str, Literal["-", "--", ""], str]] = {
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
        " which makes it a reference, not a bound. Shaded, of up to three networks: 95"
        " %, images resampled. What lies more than 15 points below every network's best is not drawn.",
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

    figure = Canvas(figsize=(10.5, 5.2), layout="constrained")
    colours = _colours(str(row[0]) for row in rows)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, label in zip(panels, (3, 4), ("GMACs an image", "milliseconds an image"), strict=True):
        for network, colour in colours.items():
            for kind in _LOOKS:
                own = [row for row in rows if row[0] == network and row[1] == kind and row[column] is not None]
                _draw_kind(axes, own, kind, column, colour, shaded=len(colours) <= _MOST_SHADED)
        axes.set_xlabel(label)
    panels[0].set(ylabel="mIoU, %", ylim=_limits(rows))
    drawn = {str(row[1]) for row in rows}
    _explain(figure, colours, [kind for kind in _LOOKS if kind in drawn])
    return figure


def _colours(networks: Iterable[str]) -> dict[str, str]:
    """One for each network, which colour alone tells apart here: where the style's come again, they are darker."""
    from matplotlib.colors import to_hex, to_rgb

    seen: Counter[str] = Counter()
    found = {}
    for network, look in identities(networks).items():
        red, green, blue = (part / 2 ** seen[look.colour] for part in to_rgb(look.colour))
        found[network] = to_hex((red, green, blue))
        seen[look.colour] += 1
    return found


def _explain(figure: Canvas, networks: Mapping[str, str], kinds: Sequence[str]) -> None:
    """Colours are networks, markers the ways to run them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for kind in kinds:
        marker, line, name = _LOOKS[kind]
        handles.append(Line2D([], [], marker=marker, linestyle=line, color=MUTED, label=name, **_face(kind, MUTED)))
    colours = [Patch(color=colour, label=network) for network, colour in networks.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=8)
    figure.legend(handles=colours, loc="outside lower center", ncols=min(5, len(colours)), fontsize=8)


def _face(kind: str, colour: str) -> dict[str, Any]:
    return (
        {"markerfacecolor": "white", "markersize": 9}
        if kind == ORACLE
        else {"markerfacecolor": colour, "markersize": 5}
    )


_MOST_SHADED = 3
"""Networks whose intervals are drawn: more lie on each other."""


def _draw_kind(
    axes: Any, rows: Sequence[Sequence[FigureValue]], kind: str, column: int, colour: str, *, shaded: bool
) -> None:
    """Curves of several policies are separate lines, each from its cheapest threshold in operations on."""
    marker, line, _ = _LOOKS[kind]
    for word in dict.fromkeys(_word(row, kind) for row in rows):
        own = sorted((row for row in rows if _word(row, kind) == word), key=lambda row: float(row[3] or 0))
        if kind == POLICY and shaded:
            across, low, high = _columns(sorted(own, key=lambda row: float(row[column] or 0)), column, 6, 7)
            axes.fill_between(across, low, high, color=colour, alpha=0.08, linewidth=0)
        axes.plot(*_columns(own, column, 5), marker + line, color=colour, **_face(kind, colour))


def _columns(rows: Sequence[Sequence[FigureValue]], *places: int) -> list[list[float]]:
    return [[float(row[place] or 0) for row in rows] for place in places]


_DEEPEST = 15.0
"""Points of mIoU that are drawn below the least accurate network's best: stops far too early would flatten the rest."""


def _limits(rows: Sequence[Sequence[FigureValue]]) -> tuple[float, float]:
    """Of the points, with some room above and below, but for those far below every network's best."""
    best: dict[str, float] = {}
    for row in rows:
        best[str(row[0])] = max(best.get(str(row[0]), 0.0), float(row[5] or 0))
    scores = [float(row[5] or 0) for row in rows if float(row[5] or 0) >= min(best.values()) - _DEEPEST]
    room = max(0.5, (max(scores) - min(scores)) / 8)
    return max(0.0, min(scores) - room), max(scores) + room


def _word(row: Sequence[FigureValue], kind: str) -> str:
    """What belongs on one line: a policy whatever its threshold; all that is fixed."""
    return str(row[2]).partition("<")[0].partition(">")[0] if kind == POLICY else kind
