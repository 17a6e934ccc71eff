"""Pictures of a trajectory: small ones that travel in a ledger, and a strip of overlays (SegNode paper, figure 3)."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from segbench.cards.datasets import Colour
from segbench.data import Sample
from segbench.data.dataset import Pixels
from segbench.data.pictures import overlaid
from segbench.errors import UserError
from segbench.evaluation.confusion import mean_iou
from segbench.records.case import Json
from segbench.trajectories.subject import End
from segbench.trajectories.sweep import Sweep

_WIDTH, _HEIGHT = 240, 180
"""Of the pictures in a ledger, at most: six images at five times are then about 150 kB."""

_COLOURS = 64
"""Of a photo in a ledger; more are hardly seen and double its size."""


@dataclass(frozen=True, eq=False)
class RefinementPicture:
    """One image and its class maps `(ends, H, W)`."""

    number: int
    sample: Sample
    maps: NDArray[np.uint8]


@dataclass
class Album:
    """Keeps the pictures of some images while a sweep passes.

    Attributes:
        chosen: numbers of the images.
        pictures: those seen so far.
    """

    chosen: frozenset[int]
    pictures: list[RefinementPicture] = field(default_factory=list)

    def __call__(self, number: int, sample: Sample, maps: NDArray[np.uint8]) -> None:
        """Called by `sweep_ends` for every image."""
        if number in self.chosen:
            self.pictures.append(RefinementPicture(number, sample, maps))


def spread_out(count: int, images: int) -> frozenset[int]:
    """So many images spread evenly over a set, from the middle of each part."""
    count = min(count, images)
    return frozenset(int((part + 0.5) * images / count) for part in range(count))


def embedded_frames(
    sweep: Sweep, pictures: Sequence[RefinementPicture], palette: Sequence[Colour], dataset: str
) -> dict[End, dict[str, Json]]:
    """Each end time's `detail["frames"]`, and the first one's `detail["pictures"]`, as a report's viewer reads them.

    A frame is an image's class map at that time with its own mean IoU (None where nothing is labelled), a picture its
    photo and truth, all as base64 PNGs. Images are named `DATASET/NAME`.
    """
    names = {picture.number: f"{dataset}/{picture.sample.name}" for picture in pictures}
    details: dict[End, dict[str, Json]] = {}
    for place, end in enumerate(sweep.times):
        scores = mean_iou(sweep.of(end))
        details[end] = {
            "frames": {
                names[item.number]: {
                    "labels": small_labels(item.maps[place], palette),
                    "miou": None if np.isnan(scores[item.number]) else float(scores[item.number]),
                }
                for item in pictures
            }
        }
    details[sweep.times[0]]["pictures"] = {
        names[item.number]: photo_and_truth(item.sample, palette) for item in pictures
    }
    return details


def photo_and_truth(sample: Sample, palette: Sequence[Colour]) -> dict[str, Json]:
    """A photo and its truth, small, as base64 PNGs."""
    photo = Image.fromarray(sample.image)
    photo.thumbnail((_WIDTH, _HEIGHT))
    return {"photo": png_text(photo.quantize(_COLOURS)), "truth": small_labels(sample.label, palette)}


def small_labels(labels: Pixels, palette: Sequence[Colour]) -> str:
    """A class map, small, as a base64 PNG; ignored pixels are black."""
    picture = Image.fromarray(labels)
    picture.thumbnail((_WIDTH, _HEIGHT), Image.Resampling.NEAREST)
    colours = [*palette, *[(0, 0, 0)] * (256 - len(palette))]
    picture.putpalette([channel for colour in colours for channel in colour])
    return png_text(picture)


def png_text(picture: Image.Image) -> str:
    """A PNG in base64."""
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def draw_strip(sweep: Sweep, pictures: Sequence[RefinementPicture], palette: Sequence[Colour], path: Path) -> None:
    """One row an image: the photo, what is seen at each end time laid over it, and the truth.

    Raises:
        UserError: the file cannot be written.
    """
    ends = sweep.times
    columns, rows = len(ends) + 2, len(pictures)
    height, width = pictures[0].sample.label.shape
    figure = Figure(figsize=(2.2 * columns, 2.2 * rows * height / width + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for row, picture in zip(panels, pictures, strict=True):
        image = picture.sample.image
        seen = [overlaid(image, classes, palette) for classes in picture.maps[: len(ends)]]
        for axes, panel in zip(row, [image, *seen, overlaid(image, picture.sample.label, palette)], strict=True):
            axes.imshow(panel)
            axes.axis("off")
    captions = [f"t = {end.time:g}, mIoU {100 * float(mean_iou(sweep.of(end).sum(0))):.1f} %" for end in ends]
    for axes, caption in zip(panels[0], ["image", *captions, "truth"], strict=True):
        axes.set_title(caption, fontsize=9)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place with -o") from error
