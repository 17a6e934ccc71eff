"""Predicted memory over one step: bytes by role, stacked, for reports and for `memory --plot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.errors import UserError
from segbench.present.amounts import in_bytes
from segbench.present.figures import Figure, FigureValue
from segbench.present.style import INK, MUTED, ROLE_COLOURS, styled
from segbench.present.values import measured
from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.units import GIB, MIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_MOMENTS = 160
"""Of a timeline in a report; a prediction has a few hundred, of which neighbours are thinned to their fullest."""

_PHASE_WIDTH = 0.02
"""Of a phase's upright name; phases shorter than that go unnamed."""


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

    @property
    def step(self) -> str:
        """`training step, batch 24`."""
        return f"{'training step' if self.mode == 'train' else 'inference'}, batch {self.batch}"


def memory_lines(entries: Sequence[Entry], mode: str) -> list[MemoryLine]:
    """Of every prediction that kept its timeline, the newest a network; thinned."""
    found = {entry.model: line for entry in alike(entries, mode) if (line := _line(entry, mode, _MOMENTS))}
    return list(found.values())


def alike(entries: Sequence[Entry], mode: str) -> list[Entry]:
    """The predictions of the size and batch that most networks share, of equals the newest."""
    groups: dict[tuple[Json, ...], list[Entry]] = {}
    for entry in entries:
        if measured(entry, f"{mode}_peak_live_bytes") is not None:
            case = entry.case
            key = (case.width, case.height, batch_shown(entry, mode), case.precision)
            groups[key] = groups.pop(key, [])  # the newest last
            groups[key].append(entry)
    return max(reversed(groups.values()), key=lambda group: len({entry.model for entry in group}), default=[])


def batch_shown(entry: Entry, mode: str) -> int:
    return entry.case.batch_size if mode == "train" else entry.case.infer_batch


def _line(entry: Entry, mode: str, moments: int | None = None) -> MemoryLine | None:
    """The entry's timeline; of neighbouring moments the fullest, so that the peak stays.

    Args:
        moments: to be kept; None for all.
    """
    item = measured(entry, f"{mode}_peak_live_bytes") if mode in entry.case.modes else None
    line = item.detail.get("timeline") if item is not None else None
    if not line:
        return None
    roles = {role: line["bytes"][role] for role in ROLE_COLOURS if role in line["bytes"]}
    kept = _fullest([sum(values) for values in zip(*roles.values(), strict=True)], moments)
    return MemoryLine(
        entry.model,
        mode,
        batch_shown(entry, mode),
        tuple(round(line["moments"][place], 4) for place in kept),
        {role: tuple(values[place] for place in kept) for role, values in roles.items()},
        tuple((round(place, 4), name) for place, name in line["phases"]),
    )


def _fullest(total: Sequence[int], moments: int | None) -> list[int]:
    width = max(1.0, len(total) / moments) if moments else 1.0
    edges = [round(number * width) for number in range(int(len(total) / width) + 1)]
    return [max(range(low, high), key=total.__getitem__) for low, high in pairwise(edges) if high > low]


def timeline_figure(entries: Sequence[Entry], mode: str = "train") -> Figure | None:
    """Live bytes over one step, stacked by role, one panel a network; None where no timeline was kept."""
    lines = memory_lines(entries, mode)
    if not lines:
        return None
    rows: list[list[FigureValue]] = [
        [line.network, moment, *(sizes[place] for sizes in line.roles.values())]
        for line in lines
        for place, moment in enumerate(line.moments)
    ]
    return Figure(
        f"memory_timeline_{mode}",
        f"Memory over one {lines[0].step.replace(', ', ' at ')}",
        "Live bytes by role over the operators of one step, predicted; all panels have the same scale.",
        ["network", "moment", *lines[0].roles],
        rows,
        lambda _: _drawn(lines, across=3),
        raster=True,
    )


def plot_timelines(entries: Sequence[Entry], path: Path) -> None:
    """Draws one panel a network and mode, panels of a mode on one scale, as the file's ending says (svg, png, pdf).

    Raises:
        UserError: the file cannot be written, or its ending is none of these.
    """
    lines = [line for mode in ("train", "infer") for entry in entries if (line := _line(entry, mode))]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with styled():
            _drawn(lines, across=1).savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:  # a ValueError: an ending that stands for no kind of picture
        raise UserError(f"{path} cannot be drawn: {error}; choose another name with --plot") from error


def _drawn(lines: Sequence[MemoryLine], across: int) -> Canvas:
    """Panels of one mode on one scale; phases are named where a panel has the whole width."""
    from matplotlib.figure import Figure as Canvas

    down = max(1, -(-len(lines) // across))
    figure = Canvas(figsize=(10.5, (1.75 if across > 1 else 2.6) * down + 0.5), layout="constrained")
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for number, (axes, line) in enumerate(zip(panels, lines, strict=False)):
        most = max(max(other.total) for other in lines if other.mode == line.mode)
        size, unit = (GIB, "GiB") if most >= GIB else (MIB, "MiB")
        _panel(axes, line, size)
        axes.set(xlim=(0, 1), ylim=(0, 1.12 * most / size), xticks=[])
        axes.set_title(line.network if across > 1 else f"{line.network}, {line.step}")
        if number % across == 0:
            axes.set_ylabel(unit)
        if across == 1:
            _name_phases(axes, line)
    for axes in panels[len(lines) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, handlelength=1.0, columnspacing=1.2)
    return figure


def _panel(axes: Any, line: MemoryLine, size: int) -> None:
    stacks = [[value / size for value in sizes] for sizes in line.roles.values()]
    colours = [ROLE_COLOURS[role] for role in line.roles]
    axes.stackplot(line.moments, stacks, colors=colours, labels=list(line.roles), linewidth=0, step="post")
    peak = max(line.total)
    axes.axhline(peak / size, color=MUTED, linewidth=0.7, linestyle=(0, (3, 3)))
    place = (0.995, peak / size)
    axes.annotate(in_bytes(peak), place, (0, 2), textcoords="offset points", ha="right", color=MUTED)


def _name_phases(axes: Any, line: MemoryLine) -> None:
    written = -1.0
    for place, phase in line.phases:
        axes.axvline(place, color=INK, linewidth=0.5)
        if place - written > _PHASE_WIDTH and place < 1 - _PHASE_WIDTH:
            axes.annotate(phase, (place, 0.97), xycoords=("data", "axes fraction"), fontsize=7, va="top", rotation=90)
            written = place
