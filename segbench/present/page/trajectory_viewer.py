"""The trajectory viewer's data: how an image's segmentation refines along the solver's time.

The pictures travel inside the ledger, so that a ledger alone remakes the page. The task `trajectory` puts them into the
`detail` of its `miou` measurements (one measurement an end time, `factors["t_end"]`), for a few images only:

    detail["pictures"] = {NAME: {"photo": PNG, "truth": PNG}}      on the `miou` row of the first end time
    detail["frames"]   = {NAME: {"labels": PNG, "miou": 0.61}}     on the `miou` row of every end time

`NAME` is any text that names the image (`synthetic/test/0003`), the same in both. `PNG` is a base64 text of a PNG of at
most 240x180 pixels: the photo in RGB or with a palette of 64 colours, truth and labels with the data set's palette
(ignored pixels black), as `evaluation.pictures.save_prediction` writes them. `miou` is that image's own mean IoU, a
fraction, or None. The NFE, MACs and time shown are those of the rows with the same `t_end` (and the same `steps`, where
the sweep has it). At most `MOST_IMAGES` images are shown; six images at five times are about 150 kB.

Only synthetic scenes may be embedded: pages are made to be published, the data sets' images may not be. Frames of an
entry whose data set is not the synthetic one are left out here, whatever the ledger holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segbench.cards.datasets import DATASETS
from segbench.present.trajectory_points import TIME, Point, labels_of, points_of
from segbench.records.case import Json
from segbench.records.ledger import Entry

MOST_IMAGES = 8
_PUBLISHABLE = "synthetic"


@dataclass(frozen=True)
class Frame:
    """One image at one end time: its class map as a base64 PNG, and its own mean IoU."""

    labels: str
    miou: float | None


@dataclass(frozen=True)
class ViewerPicture:
    """One image: photo and truth as base64 PNGs, and a frame for every point (None where none was kept)."""

    name: str
    photo: str
    truth: str
    frames: tuple[Frame | None, ...]


@dataclass(frozen=True)
class Trajectory:
    """One network along its solver's time.

    Attributes:
        label: network and data set.
        points: by end time.
        pictures: none where the images may not be published.
        classes: name and colour of each class.
    """

    label: str
    points: tuple[Point, ...]
    pictures: tuple[ViewerPicture, ...]
    classes: tuple[tuple[str, tuple[int, int, int]], ...]


def trajectories(entries: Sequence[Entry]) -> list[Trajectory]:
    """Every trajectory of the ledger that has at least two end times."""
    own = [entry for entry in entries if entry.case.task == "trajectory"]
    found = []
    for entry, label in zip(own, labels_of(own), strict=True):
        points = [point for point in points_of(entry) if point.knob == TIME]
        if len(points) > 1:
            points.sort(key=lambda point: float(point.t_end))
            found.append(_trajectory(entry, label, points))
    return found


def _trajectory(entry: Entry, label: str, points: Sequence[Point]) -> Trajectory:
    name = (entry.case.dataset or _PUBLISHABLE).partition(":")[0]
    card = DATASETS.get(name)
    pictures = _pictures(points) if name == _PUBLISHABLE else ()
    classes = tuple(zip(card.class_names, card.palette, strict=True)) if card and pictures else ()
    return Trajectory(label, tuple(points), pictures, classes)


def _pictures(points: Sequence[Point]) -> tuple[ViewerPicture, ...]:
    kept: Mapping[str, Json] = next((found for point in points if (found := point.detail("miou", "pictures"))), {})
    frames = [point.detail("miou", "frames") or {} for point in points]
    return tuple(
        ViewerPicture(name, item["photo"], item["truth"], tuple(_frame(of_point.get(name)) for of_point in frames))
        for name, item in list(kept.items())[:MOST_IMAGES]
    )


def _frame(item: Json) -> Frame | None:
    return Frame(item["labels"], item.get("miou")) if item else None
