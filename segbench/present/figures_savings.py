"""The figure of memory against time: every way to train with less, and which of them no other one beats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segbench.present.figures import Figure, FigureValue
from segbench.present.page.pareto import ParetoAxis, ParetoPoint, ParetoValue, pareto_front
from segbench.present.savings import by_network, measured_peak, way_of
from segbench.present.style import GRID, INK, MUTED, PAPER, identities
from segbench.present.values import value_of
from segbench.records.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_TIME = ParetoAxis("time", "time of a training step", "to plain", "", "lower")
_MEMORY = ParetoAxis("memory", "peak training memory", "to plain", "", "lower")


@dataclass(frozen=True)
class Ratios:
    """Time of a step and training memory, both to those of a reference."""

    time: float
    memory: float


def savings_figure(entries: Sequence[Entry], paper: Mapping[str, Ratios]) -> Figure | None:
    """None where fewer than two ways were measured under the same conditions.

    Args:
        entries: any; those of `savings` count, of several conditions the ones with most of them.
        paper: published networks by name, to the same kind of reference.
    """
    alike = _most_alike([entry for entry in entries if entry.case.task == "savings" and _amounts(entry)])
    if len(alike) < 2:
        return None
    reference, *_ = next(iter(by_network(alike).values()))
    time, memory = _amounts(reference) or (1.0, 1.0)
    found = {
        f"{entry.model} {way_of(entry)}" if way_of(entry) == "plain" else entry.model: Ratios(a / time, b / memory)
        for entry in alike
        for a, b in [_amounts(entry) or (time, memory)]
    }
    best = _best(found)
    rows: list[Sequence[FigureValue]] = [
        [name, ratios.time, ratios.memory, "yes" if name in best else "no", "measured"]
        for name, ratios in found.items()
    ]
    rows += [[name, ratios.time, ratios.memory, "", "published"] for name, ratios in paper.items()]
    case = alike[0].case
    return Figure(
        "savings",
        "Memory against time",
        f"Both to {reference.model}'s own; {case.width}x{case.height}, batch {case.batch_size}, {case.device}. Dashed: "
        "the Pareto-optimal ways; dominated ones are pale. Hollow: the paper's, to its HRNetV2: memory at batch 24, "
        "time of an epoch at each network's largest batch, on a V100.",
        ["way", "time", "memory", "Pareto-optimal", "origin"],
        rows,
        lambda rows: _draw(rows),
    )


def _amounts(entry: Entry) -> tuple[float, float] | None:
    """Seconds and bytes of a step, measured."""
    time, peak = value_of(entry, "train_step_s"), measured_peak(entry)
    return (time, peak.value) if time and peak and peak.value else None


def _most_alike(entries: Sequence[Entry]) -> list[Entry]:
    groups: defaultdict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        case = entry.case
        groups[case.device, case.width, case.height, case.batch_size, case.precision, case.threads].append(entry)
    return max(groups.values(), key=len, default=[])


def _best(found: Mapping[str, Ratios]) -> set[str]:
    spots = [
        ParetoPoint(name, {"time": ParetoValue(ratios.time, ""), "memory": ParetoValue(ratios.memory, "")})
        for name, ratios in found.items()
    ]
    return {spot.network for spot in pareto_front(spots, _TIME, _MEMORY)}


def _draw(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(9.0, 4.8), layout="constrained")
    axes = figure.subplots()
    front = sorted((float(row[1] or 0), float(row[2] or 0)) for row in rows if row[3] == "yes")
    axes.plot(*zip(*front, strict=True), "--", color=MUTED, linewidth=1.0, zorder=1)
    looks = identities(str(row[0]) for row in rows)
    for name, *place, kept, origin in rows:
        time, memory = (float(value or 0) for value in place)
        look = looks[str(name)]
        alpha = 0.45 if kept == "no" else 1.0
        published = origin == "published"
        fill, edge = ("none", PAPER) if published else (look.colour, "white")
        axes.plot(
            time, memory, look.marker, color=fill, markersize=9, alpha=alpha, markeredgecolor=edge, label=str(name)
        )
    _frame(axes)
    figure.legend(loc="outside right center", fontsize=8)  # twenty points lie too close for names beside them
    return figure


def _frame(axes: Any) -> None:
    axes.set_xlabel(_TIME.label)
    axes.set_ylabel(_MEMORY.label)
    axes.margins(0.14)
    axes.set_ylim(bottom=0)
    axes.tick_params(colors=INK)
    axes.spines[["left", "bottom"]].set_color(GRID)
