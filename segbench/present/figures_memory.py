"""Figures of predicted memory: what a peak is made of, and how it comes and goes over a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from segbench.present.amounts import in_bytes
from segbench.present.figures import Figure, Value
from segbench.present.style import INK, MUTED, ROLE_COLOURS
from segbench.present.values import measured
from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.units import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOMENTS = 160
"""Of a timeline that is kept; a prediction has a few hundred, of which neighbours are thinned to their fullest."""


@dataclass(frozen=True)
class MemoryLine:
    """One network's live bytes over a step.

    Attributes:
        moments: place in the step, 0 to 1.
        roles: bytes by role at each moment, in `ROLE_COLOURS`' order.
        phases: (place, name) of every phase's start.
    """

    network: str
    mode: str
    batch: int
    moments: tuple[float, ...]
    roles: dict[str, tuple[int, ...]]
    phases: tuple[tuple[float, str], ...]

    @property
    def total(self) -> list[int]:
        return [sum(values) for values in zip(*self.roles.values(), strict=True)]


def memory_lines(entries: Sequence[Entry], mode: str) -> list[MemoryLine]:
    """Of every prediction that kept its timeline, the newest a network."""
    found: dict[str, MemoryLine] = {}
    for entry in _alike(entries, mode):
        item = measured(entry, f"{mode}_peak_live_bytes")
        line = item.detail.get("timeline") if item is not None else None
        if line:
            found[entry.model] = _thinned(entry.model, mode, _batch(entry, mode), line)
    return list(found.values())


def _alike(entries: Sequence[Entry], mode: str) -> list[Entry]:
    """The predictions of the size and batch that most networks share, of equals the newest."""
    groups: dict[tuple[Json, ...], list[Entry]] = {}
    for entry in entries:
        if measured(entry, f"{mode}_peak_live_bytes") is not None:
            case = entry.case
            key = (case.width, case.height, _batch(entry, mode), case.precision)
            groups[key] = [*groups.pop(key, []), entry]
    return max(reversed(groups.values()), key=lambda group: len({entry.model for entry in group}), default=[])


def _batch(entry: Entry, mode: str) -> int:
    return entry.case.batch_size if mode == "train" else entry.case.infer_batch


def _thinned(network: str, mode: str, batch: int, line: Json) -> MemoryLine:
    """Of neighbouring moments the fullest, so that the peak stays."""
    roles = {role: line["bytes"][role] for role in ROLE_COLOURS if role in line["bytes"]}
    total = [sum(values) for values in zip(*roles.values(), strict=True)]
    width = max(1.0, len(total) / MOMENTS)
    edges = [round(number * width) for number in range(int(len(total) / width) + 1)]
    kept = [max(range(low, high), key=total.__getitem__) for low, high in pairwise(edges) if high > low]
    return MemoryLine(
        network,
        mode,
        batch,
        tuple(round(line["moments"][place], 4) for place in kept),
        {role: tuple(values[place] for place in kept) for role, values in roles.items()},
        tuple((round(place, 4), name) for place, name in line["phases"]),
    )


def breakdown_figure(entries: Sequence[Entry], mode: str = "train") -> Figure | None:
    """What is alive at the peak, by role, one bar a network; None where nothing was predicted."""
    rows: dict[str, list[list[Value]]] = {}
    batch = 0
    for entry in _alike(entries, mode):
        item = measured(entry, f"{mode}_peak_live_bytes")
        if item is not None and "breakdown" in item.detail:
            batch = _batch(entry, mode)
            parts = item.detail["breakdown"]
            rows[entry.model] = [[entry.model, role, parts.get(role, 0)] for role in ROLE_COLOURS]
    if not rows:
        return None
    step = f"a training step at batch {batch}" if mode == "train" else "one test image"
    return Figure(
        f"memory_breakdown_{mode}",
        f"What the peak of {step} is made of",
        "Live bytes at the predicted peak by role; CUDA context and workspaces are not included.",
        ["network", "role", "bytes"],
        [row for group in rows.values() for row in group],
        _draw_breakdown,
    )


def _draw_breakdown(rows: Sequence[Sequence[Value]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    networks = list(dict.fromkeys(str(row[0]) for row in rows))
    figure = Canvas(figsize=(9, 0.9 + 0.36 * len(networks)), layout="constrained")
    axes = figure.subplots()
    reached = dict.fromkeys(networks, 0.0)
    for role, colour in ROLE_COLOURS.items():
        sizes = {str(network): float(size or 0) / GIB for network, name, size in rows if name == role}
        if any(sizes.values()):
            left = [reached[network] for network in networks]
            widths = [sizes[network] for network in networks]
            axes.barh(range(len(networks)), widths, left=left, color=colour, label=role, height=0.68)
            for network in networks:
                reached[network] += sizes[network]
    for place, network in enumerate(networks):
        text = in_bytes(reached[network] * GIB)
        axes.annotate(text, (reached[network], place), (5, 0), textcoords="offset points", va="center", color=MUTED)
    axes.set_yticks(range(len(networks)), networks, color=INK)
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max(reached.values()))
    axes.set_xlabel("GiB")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=7, handlelength=1.0, columnspacing=1.2)
    return figure


def timeline_figure(entries: Sequence[Entry], mode: str = "train") -> Figure | None:
    """Live bytes over one step, stacked by role, one panel a network; None where no timeline was kept."""
    lines = memory_lines(entries, mode)
    if not lines:
        return None
    rows: list[list[Value]] = []
    for line in lines:
        for place, moment in enumerate(line.moments):
            rows.append([line.network, moment, *(line.roles[role][place] for role in line.roles)])
    return Figure(
        f"memory_timeline_{mode}",
        f"Memory over one {'training step' if mode == 'train' else 'inference'} at batch {lines[0].batch}",
        "Live bytes by role over the operators of one step, predicted; all panels have one scale.",
        ["network", "moment", *lines[0].roles],
        rows,
        lambda rows: _draw_timeline(rows, list(lines[0].roles)),
    )


def _draw_timeline(rows: Sequence[Sequence[Value]], roles: Sequence[str]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    networks = list(dict.fromkeys(str(row[0]) for row in rows))
    across = 3
    down = -(-len(networks) // across)
    figure = Canvas(figsize=(10.5, 1.75 * down + 0.4), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axes, network in zip(panels.flat, networks, strict=False):
        _timeline_panel(axes, network, [row for row in rows if row[0] == network], roles)
    for axes in list(panels.flat)[len(networks) :]:
        axes.set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, handlelength=1.0, columnspacing=1.2)
    return figure


def _timeline_panel(axes: Any, network: str, rows: Sequence[Sequence[Value]], roles: Sequence[str]) -> None:
    moments = [float(row[1] or 0) for row in rows]
    stacks = [[float(row[2 + place] or 0) / GIB for row in rows] for place in range(len(roles))]
    axes.stackplot(moments, stacks, colors=[ROLE_COLOURS[role] for role in roles], labels=roles, linewidth=0)
    peak = max(map(sum, zip(*stacks, strict=True)))
    axes.axhline(peak, color=MUTED, linewidth=0.7, linestyle=(0, (3, 3)))
    axes.set_title(network)
    axes.annotate(in_bytes(peak * GIB), (0.995, peak), (0, 2), textcoords="offset points", ha="right", color=MUTED)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.set_ylabel("GiB")
    axes.label_outer()
