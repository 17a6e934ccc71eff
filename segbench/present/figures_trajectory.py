"""The paper's figures 3 and 4 from a ledger: how a segmentation refines, and the error along the solver's time."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from segbench.present.figures import Figure, FigureValue
from segbench.present.page.trajectory_viewer import Trajectory, ViewerPicture
from segbench.present.style import INK, identities
from segbench.present.trajectory_points import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_VEIL = 0.6
_STRIP_IMAGES = 3


def error_figure(trajectories: Sequence[Trajectory]) -> Figure | None:
    """The error against ground truth over the end time, and the mIoU drop over the share of the evaluations."""
    rows: list[list[FigureValue]] = []
    for item in trajectories:
        arrived = whole(item.points) or item.points[-1]
        evaluations = arrived.value("nfe_forward")
        for point in item.points:
            nfe = point.value("nfe_forward")
            share = nfe / evaluations if nfe is not None and evaluations else None
            low, high = point.interval("miou_error") or (None, None)
            drop, ends = point.value("miou_drop"), point.interval("miou_drop") or (None, None)
            rows.append([item.label, float(point.t_end), point.value("miou_error"), low, high, share, drop, *ends])
    if not rows:
        return None
    return Figure(
        "trajectory_error",
        "Error along the solver's time",
        "Left: 1 - mIoU against ground truth. Right: the mIoU drop against the share of the evaluations of f; the star "
        "is the paper's statement, 3 % of accuracy for half of the time. Bands and bars: 95 %, images resampled.",
        _ERROR_COLUMNS,
        rows,
        _draw_error,
    )


_ERROR_COLUMNS = (
    *("trajectory", "t_end", "miou_error", "low", "high", "share_of_evaluations"),
    *("miou_drop", "drop_low", "drop_high"),
)


def _draw_error(rows: Sequence[Sequence[FigureValue]]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(9.5, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = identities(str(row[0]) for row in rows)
    for name, look in looks.items():
        own = [row for row in rows if row[0] == name]
        times = [row[1] for row in own]
        left.plot(times, [_percent(row[2]) for row in own], marker=look.marker, color=look.colour, label=name)
        left.fill_between(
            times, [_percent(row[3]) for row in own], [_percent(row[4]) for row in own], color=look.colour, alpha=0.15
        )
        shared = [row for row in own if row[5] is not None]
        shares = [_percent(row[5]) for row in shared]
        right.vlines(
            shares, [_percent(row[7]) for row in shared], [_percent(row[8]) for row in shared], color=look.colour
        )
        right.plot(shares, [_percent(row[6]) for row in shared], marker=look.marker, color=look.colour)
    right.plot(50, 3, "*", color=INK, markersize=13, linestyle="")
    right.annotate("paper", (50, 3), (8, 4), textcoords="offset points")
    left.set(xlabel="end time of the solver", ylabel="mIoU error, %")
    right.set(xlabel="share of the evaluations, %", ylabel="mIoU drop, points")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _percent(value: FigureValue) -> float:
    return float("nan") if value is None else 100 * float(value)


def strip_figure(trajectory: Trajectory) -> Figure | None:
    """A few images, their segmentation laid over them at every end time, and the truth; None without pictures."""
    pictures = trajectory.pictures[:_STRIP_IMAGES]
    if not pictures:
        return None
    rows: list[list[FigureValue]] = [
        [picture.name, float(point.t_end), point.value("nfe_forward"), frame.miou if frame else None]
        for picture in pictures
        for point, frame in zip(trajectory.points, picture.frames, strict=True)
    ]
    return Figure(
        "trajectory_strip",
        "Segmentation along the solver's time",
        f"{trajectory.label}; synthetic scenes, the class map laid over each.",
        ["image", "t_end", "nfe", "miou"],
        rows,
        lambda rows: _draw_strip(rows, pictures),
        raster=True,
    )


def _draw_strip(rows: Sequence[Sequence[FigureValue]], pictures: Sequence[ViewerPicture]) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    times = list(dict.fromkeys(row[1] for row in rows))
    columns = len(times) + 2
    figure = Canvas(figsize=(1.75 * columns, 1.34 * len(pictures) + 0.3), layout="constrained")
    panels = figure.subplots(len(pictures), columns, squeeze=False)
    for line, picture in zip(panels, pictures, strict=True):
        photo = _pixels(picture.photo)
        layers = ["", *(frame.labels if frame else "" for frame in picture.frames), picture.truth]
        for axes, layer in zip(line, layers, strict=True):
            axes.imshow(photo)
            if layer:
                axes.imshow(_pixels(layer), alpha=_VEIL, interpolation="nearest")
            axes.axis("off")
    for axes, title in zip(
        panels[0], ["image", *(f"t = {float(time or 0):g}" for time in times), "ground truth"], strict=True
    ):
        axes.set_title(title)
    return figure


def _pixels(png: str) -> object:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))
