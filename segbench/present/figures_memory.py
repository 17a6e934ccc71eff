"""The figure of what a predicted peak of memory is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segbench.present.amounts import in_bytes
from segbench.present.figures import Figure, FigureValue
from segbench.present.style import INK, MUTED, ROLE_COLOURS
from segbench.present.timeline import alike, batch_shown
from segbench.present.values import measured
from segbench.records.ledger import Entry
from segbench.units import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def breakdown_figure(entries: Sequence[Entry], mode: str = "train") -> Figure | None:
    """What is alive at the peak, by role, one bar a network; None where nothing was predicted."""
    rows: dict[str, list[list[FigureValue]]] = {}
    batch = 0
    for entry in alike(entries, mode):
        item = measured(entry, f"{mode}_peak_live_bytes")
        if item is not None and "breakdown" in item.detail:
            batch = batch_shown(entry, mode)
            parts = item.detail["breakdown"]
            rows[entry.model] = [[entry.model, role, parts.get(role, 0)] for role in ROLE_COLOURS]
    if not rows:
        return None
    step = f"a training step at batch {batch}" if mode == "train" else "an inference"
    return Figure(
        f"memory_breakdown_{mode}",
        f"What the peak of {step} is made of",
        "Live bytes at the predicted peak by role; CUDA context and workspaces are not included.",
        ["network", "role", "bytes"],
        [row for group in rows.values() for row in group],
        _draw_breakdown,
    )


def _draw_breakdown(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
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
