"""`memory --plot`: bytes by role over one step, stacked, network under network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segbench.errors import UserError
from segbench.present.values import measured
from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.units import GIB, MIB

_COLOURS = {
    "parameters": "#4c566a",
    "optimizer state": "#7b88a1",
    "gradients": "#b48ead",
    "activations": "#5e81ac",
    "temporaries": "#d08770",
    "inputs": "#a3be8c",
    "workspaces": "#ebcb8b",
}
"""By role, in the order in which they are stacked."""


def plot_timelines(entries: Sequence[Entry], path: Path) -> None:
    """Draws one panel a network and mode, panels of a mode on one scale, as the file's ending says (svg, png, pdf).

    Raises:
        UserError: the file cannot be written, or its ending is none of these.
    """
    from matplotlib.figure import Figure

    panels = [
        _Panel(f"{entry.model}, {_title(entry, mode)}", mode, line)
        for mode in ("train", "infer")
        for entry in entries
        if mode in entry.case.modes and (line := _timeline(entry, mode))
    ]
    figure = Figure(figsize=(9, 2.6 * max(1, len(panels))), layout="constrained")
    axes = figure.subplots(max(1, len(panels)), 1, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel, most=max(other.most for other in panels if other.mode == panel.mode))
    if panels:
        axes[0].legend(loc="upper right", fontsize=7, ncols=2, framealpha=0.9)
    axes[-1].set_xlabel("operators of one step, in order (live bytes, predicted; memory knows no clock)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:  # a ValueError: an ending that stands for no kind of picture
        raise UserError(f"{path} cannot be drawn: {error}; choose another name with --plot") from error


@dataclass(frozen=True)
class _Panel:
    title: str
    mode: str
    line: Json

    @property
    def most(self) -> int:
        return max(map(sum, zip(*self.line["bytes"].values(), strict=True)), default=1)


def _draw(axis: Any, panel: _Panel, most: int) -> None:
    size, unit = (GIB, "GiB") if most >= GIB else (MIB, "MiB")
    stacks = [[value / size for value in panel.line["bytes"][role]] for role in _COLOURS]
    colours, roles = list(_COLOURS.values()), list(_COLOURS)
    axis.stackplot(panel.line["moments"], stacks, colors=colours, labels=roles, step="post")
    axis.set_title(panel.title, loc="left")
    axis.set(ylabel=unit, xlim=(0, 1), ylim=(0, 1.05 * most / size), xticks=[])
    written = -1.0
    for place, phase in panel.line["phases"]:
        axis.axvline(place, color="black", linewidth=0.5)
        if place - written > _LABEL_WIDTH and place < 1 - _LABEL_WIDTH:
            axis.annotate(phase, (place, 0.97), xycoords=("data", "axes fraction"), fontsize=7, va="top", rotation=90)
            written = place


_LABEL_WIDTH = 0.02
"""Of a phase's upright name; phases shorter than that go unnamed."""


def _title(entry: Entry, mode: str) -> str:
    case = entry.case
    return f"training step, batch {case.batch_size}" if mode == "train" else f"inference, batch {case.infer_batch}"


def _timeline(entry: Entry, mode: str) -> Json | None:
    item = measured(entry, f"{mode}_peak_live_bytes")
    return item.detail.get("timeline") if item is not None else None
