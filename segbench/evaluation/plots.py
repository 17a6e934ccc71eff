"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from segbench.evaluation.confusion import Confusion

_WRITTEN_UP_TO = 25
"""Classes up to which the shares are written into the cells; with more they would not be readable."""


def plot_confusion(confusion: Confusion, class_names: Sequence[str], title: str, path: Path) -> None:
    """Each row is a true class and sums to 100 %; rows of classes that do not occur stay empty."""
    count = len(class_names)
    totals = confusion.counts.sum(1, keepdims=True)
    shares = np.divide(confusion.counts, totals, out=np.full((count, count), np.nan), where=totals > 0)
    side = max(5.0, 0.45 * min(count, 60) + 2)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 8 if count <= _WRITTEN_UP_TO else 5
    axes.set_xticks(range(count), class_names, rotation=90, fontsize=size)
    axes.set_yticks(range(count), class_names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    if count <= _WRITTEN_UP_TO:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            colour = "white" if share > 0.6 else "black"
            axes.text(column, row, f"{share:.0%}".rstrip("%"), ha="center", va="center", fontsize=7, color=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
