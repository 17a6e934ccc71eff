"""How accurate networks are on objects of different sizes, each against the first.

Reads what `segbench evaluate --predictions` left; several trainings of a network are averaged. An object is an
8-connected region of one class in the labels; its recall is the share of its pixels that were given their class; a
network's is the mean over the objects of a size. The interval is the paired bootstrap's over images, 95 %.

    segbench evaluate -m hrnetv2-small -d camvid --checkpoint RUN --predictions -o hrnet
    python benchmarks/object_sizes.py -d camvid HRNetV2=hrnet/predictions SegNode=seed0/predictions,seed1/predictions
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segbench.cards.datasets import IGNORE
from segbench.data import Dataset, Sample, open_dataset
from segbench.data.dataset import Pixels
from segbench.present.markdown import to_markdown
from segbench.present.table import Table, table_of
from segbench.statistics.resampling import Resampling, interval

BOUNDS = (1, 64, 256, 1024, 4096, 1 << 30)
"""Areas in pixels of the labels, at which one size ends and the next begins."""

Sums = NDArray[np.float64]
"""`(..., sizes, 2)`: the sum of objects' recalls, and their number; of an image or of several."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("-d", "--dataset", default="camvid")
    options.add_argument("--data-root", type=Path)
    options.add_argument("--split", default="val")
    options.add_argument("predictions", nargs="+", metavar="NAME=FOLDER,...", help="the first is the reference")
    given = options.parse_args()
    dataset = open_dataset(given.dataset, given.data_root, given.split)
    folders = dict(_named(item) for item in given.predictions)
    found = {name: _trainings(dataset, text.split(",")) for name, text in folders.items()}
    print(to_markdown(_table(found)))


def _named(text: str) -> tuple[str, str]:
    name, equals, folders = text.partition("=")
    if not equals:
        sys.exit(f"{text!r} has no name; write NAME=FOLDER, or NAME=FOLDER,FOLDER for several trainings")
    return name, folders


def _trainings(dataset: Dataset, folders: Sequence[str]) -> Sums:
    """Of each image the mean over the trainings of a network."""
    trainings = np.stack([np.stack(list(_images(dataset, Path(folder)))) for folder in folders])
    mean: Sums = trainings.mean(0)
    return mean


def _images(dataset: Dataset, folder: Path) -> Iterator[Sums]:
    for place in range(len(dataset)):
        sample = dataset[place]
        yield recalls(sample.label, _prediction(sample, folder))


def _prediction(sample: Sample, folder: Path) -> Pixels:
    image = Image.open(folder / f"{sample.name.replace('/', '_')}.png")
    return np.asarray(image.resize(sample.label.shape[::-1], Image.Resampling.NEAREST))


def recalls(label: Pixels, prediction: Pixels) -> Sums:
    """Sum of the objects' recalls and their number, for each size.

    Args:
        label, prediction: `(H, W)` classes; 255 in the label does not count.
    """
    sums = np.zeros((len(BOUNDS) - 1, 2))
    for own in set(np.unique(label)) - {IGNORE}:
        objects, count = ndimage.label(label == own, structure=np.ones((3, 3)))
        areas = np.bincount(objects.ravel(), minlength=count + 1)[1:]
        right = np.bincount(objects.ravel(), weights=(prediction == own).ravel(), minlength=count + 1)[1:]
        sizes = np.searchsorted(BOUNDS, areas, side="right") - 1
        np.add.at(sums, sizes, np.stack([right / areas, np.ones(count)], axis=1))
    return sums


def _table(found: Mapping[str, Sums]) -> Table:
    reference, *others = found
    draws = {name: Resampling(len(sums)).sums(sums) for name, sums in found.items()}
    rows = []
    for size in range(len(BOUNDS) - 1):
        objects = f"{found[reference][:, size, 1].sum():.0f}"
        cells = [_size(size), objects, *(_mean(sums, size) for sums in found.values())]
        for name in others:
            gains = _ratio(draws[name][:, size]) - _ratio(draws[reference][:, size])
            low, high = interval(100 * gains)
            cells.append(f"{low:+.1f} to {high:+.1f}")
        rows.append(cells)
    headings = ["pixels", "objects", *(f"{name}, %" for name in found), *(f"{name} - {reference}" for name in others)]
    return table_of("Recall of objects by their size", headings, rows)


def _size(size: int) -> str:
    low, high = BOUNDS[size], BOUNDS[size + 1]
    return f"{low} and more" if size == len(BOUNDS) - 2 else f"{low} to {high - 1}"


def _mean(sums: Sums, size: int) -> str:
    return f"{100 * float(_ratio(sums.sum(0)[size])):.1f}"


def _ratio(sums: Sums) -> NDArray[np.float64]:
    there = sums[..., 1] > 0
    ratios: NDArray[np.float64] = np.divide(sums[..., 0], sums[..., 1], out=np.full(there.shape, np.nan), where=there)
    return ratios


if __name__ == "__main__":
    main()
