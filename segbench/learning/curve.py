"""The curve of a run: loss and validation scores over its steps."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from segbench.learning.log import read_log


def plot_curve(log: Path, score: str, title: str, path: Path) -> None:
    """Draws a log: training loss on the left axis, the validation score of that name, in %, on the right."""
    rows = read_log(log)
    losses = [(int(row["step"]), float(row["loss"])) for row in rows if row["loss"]]
    scores = [(int(row["step"]), 100 * float(row[score])) for row in rows if row.get(score)]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(*_columns(losses), color="tab:grey", linewidth=1, label="training loss")
    axes.set(xlabel="step", ylabel="training loss", title=title)
    right = axes.twinx()
    right.plot(*_columns(scores), color="tab:blue", marker="o", markersize=4, label=f"validation {score}")
    right.set(ylabel=f"validation {score}, %")
    right.set_ylim(bottom=0)
    minutes = f"{float(rows[-1]['seconds']) / 60:.1f} min of training" if rows else "nothing logged yet"
    figure.legend(loc="outside lower center", ncols=2, title=minutes)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _columns(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
