"""The figure of published against predicted memory; in the SVG every point tells its network's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.present.figures import Figure, FigureValue, save_figure
from segbench.present.style import INK, MUTED, identities
from segbench.units import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_NAMED_FAMILIES = 7
"""So many have a look of their own; a figure takes no more."""
_TICKS = (0.5, 1, 2, 5, 10, 20, 40)


def scatter(networks: Sequence[tuple[str, str, int, int]]) -> Figure:
    """Args:
    networks: name, family, published and predicted bytes.
    """
    rows: list[list[FigureValue]] = [
        [name, family, real / GIB, predicted / GIB] for name, family, real, predicted in networks
    ]
    return Figure(
        "published",
        "Memory of training: published by others, and predicted without a GPU",
        "Each point is a network of mmsegmentation's tables; between the dashed lines predictions are within 5 %.",
        ["network", "family", "published (GiB)", "predicted (GiB)"],
        rows,
        _draw,
    )


def named_figure(figure: Figure, folder: Path) -> None:
    """Saves it; in the SVG a browser shows a point's network under the pointer."""
    save_figure(figure, folder)
    path = folder / figure.image
    path.write_text(_with_names(path.read_text(encoding="utf-8"), figure.rows), encoding="utf-8")


def _with_names(svg: str, rows: Sequence[Sequence[FigureValue]]) -> str:
    for number, (_, points) in enumerate(_groups(rows)):
        titles = iter([f"{name}: published {x:.3g}, predicted {y:.3g} GiB" for name, _, x, y in points])
        start = svg.index(f'<g id="{_GROUP}{number}">')
        end = svg.index('<g id="', start + 1)  # legends and ticks follow
        named = re.sub(r"(<use [^>]*)/>", partial(_titled, titles), svg[start:end])
        svg = svg[:start] + named + svg[end:]
    return svg


def _titled(titles: Iterator[str], use: re.Match[str]) -> str:
    return f"{use[1]}><title>{escape(next(titles))}</title></use>"


_GROUP = "points-"


def _groups(rows: Sequence[Sequence[FigureValue]]) -> Iterator[tuple[str | None, list[Sequence[FigureValue]]]]:
    """The large families and their points, after those of all the others."""
    families = [str(name) for name, _ in Counter(row[1] for row in rows).most_common(_NAMED_FAMILIES)]
    others = [row for row in rows if row[1] not in families]
    if others:
        yield None, others
    for family in families:
        yield family, [row for row in rows if row[1] == family]


def _draw(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(7.5, 5.4), layout="constrained")
    axes = figure.subplots()
    groups = list(_groups(rows))
    looks = identities(family for family, _ in groups if family)
    for number, (family, points) in enumerate(groups):
        colour, marker = (looks[family].colour, looks[family].marker) if family else (MUTED, "o")
        style: dict[str, Any] = {"color": colour, "markersize": 5, "alpha": 0.7, "markeredgewidth": 0}
        places = [[float(row[column] or 0) for row in points] for column in (2, 3)]
        label = family or "other families"
        axes.plot(*places, marker, linestyle="", label=label, gid=f"{_GROUP}{number}", **style)
    _frame(axes, [float(value or 0) for row in rows for value in row[2:]])
    return figure


def _frame(axes: Any, values: Sequence[float]) -> None:
    ends = [min(values) * 0.85, max(values) * 1.15]
    axes.plot(ends, ends, color=INK, linewidth=0.8, zorder=0)
    for share in (0.95, 1.05):
        axes.plot(ends, [end * share for end in ends], color=MUTED, linestyle=(0, (4, 3)), linewidth=0.7, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="published (GiB)", ylabel="predicted (GiB)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(_TICKS, labels=map(str, _TICKS))
        axis.set_ticks([], minor=True)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
