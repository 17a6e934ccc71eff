"""How fast networks learn: the validation score over the time trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segbench.present.figures import Figure, Value
from segbench.present.style import identities
from segbench.present.values import measured
from segbench.records.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


def learning_figure(entries: Sequence[Entry]) -> Figure | None:
    """mIoU at each validation of every training; None where fewer than two were validated on the way."""
    rows: list[list[Value]] = []
    for entry in entries:
        item = measured(entry, "miou") if entry.case.task == "train" else None
        for step, seconds, score in item.detail.get("curve", ()) if item else ():
            rows.append([entry.model, step, seconds / 60, score])
    if len({row[0] for row in rows}) < 2:
        return None
    return Figure(
        "learning",
        "Learning",
        "mIoU of the validation split over the minutes trained; validations themselves are not counted.",
        ["network", "step", "minutes", "miou"],
        rows,
        _draw,
    )


def _draw(rows: Sequence[Sequence[Value]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, look in identities(str(row[0]) for row in rows).items():
        own = [row for row in rows if row[0] == name]
        minutes, scores = ([float(row[place] or 0) for row in own] for place in (2, 3))
        axes.plot(minutes, [100 * score for score in scores], marker=look.marker, color=look.colour, label=name)
    axes.set(xlabel="minutes of training", ylabel="mIoU, %")
    figure.legend(loc="outside right upper")
    return figure
