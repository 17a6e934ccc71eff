"""Images read per second, beside a plain Pillow loop over the same files in the same run.

`python benchmarks/data_loading.py [--dataset camvid] [--data-root DIR] [--images 200] [--rounds 5] [--workers 2]`

The training feed crops, mirrors and resizes too; the others only decode. Every reader reads as many samples a round, in
turn, so that whatever else the machine does falls on all of them;
a ratio is the median over the rounds of (reader / plain loop). Files are in the page cache after the first, unmeasured
round. Workers are started anew each round, as at the start of an epoch, and that is counted. Without real data the
synthetic streets are written as PNGs in CamVid's layout and read from there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segbench.cards.card import Recipe
from segbench.cards.datasets import IGNORE
from segbench.data.cache import cached
from segbench.data.dataset import Dataset
from segbench.data.files import FileDataset
from segbench.data.opening import open_dataset
from segbench.errors import DataError
from segbench.learning.feed import Feed, LabelledAugmenter, batches
from segbench.learning.plan import TrainingPlan

Reader = Callable[[], int]
"""Reads everything once and returns the number of images."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(options, Path(folder))
        count = min(options.images, len(dataset))
        readers = _readers(dataset, count, options.workers, Path(folder) / "cache")
        rates = _rates(readers, options.rounds)
    print(f"{dataset.name} {dataset.split}, {count} images, {options.rounds} rounds")
    print(f"{'reader':<44}{'images/s':>10}{'ratio':>8}")
    for name, measured in rates.items():
        ratio = statistics.median(own / plain for own, plain in zip(measured, rates["plain Pillow loop"], strict=True))
        print(f"{name:<44}{statistics.median(measured):>10.0f}{ratio:>8.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="camvid")
    parser.add_argument("--data-root", default=None)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _dataset(options: argparse.Namespace, folder: Path) -> FileDataset:
    try:
        dataset = open_dataset(options.dataset, options.data_root)
    except DataError as error:
        print(f"{str(error).splitlines()[0]}; reading synthetic streets from PNGs instead")
        _write_streets(folder / "camvid", options.images)
        dataset = open_dataset("camvid", folder / "camvid")
    if not isinstance(dataset, FileDataset):
        raise SystemExit(f"{options.dataset} has no files to read")
    return dataset


def _write_streets(root: Path, count: int) -> None:
    """Synthetic streets as CamVid's files, void as 11."""
    for part in ("train", "trainannot"):
        (root / part).mkdir(parents=True)
    streets = open_dataset(f"synthetic:count={count}")
    for sample in (streets[index] for index in range(count)):
        Image.fromarray(sample.image).save(root / "train" / f"{sample.name}.png")
        label = np.where(sample.label == IGNORE, np.uint8(11), sample.label)
        Image.fromarray(label).save(root / "trainannot" / f"{sample.name}.png")


def _readers(dataset: FileDataset, count: int, workers: int, cache: Path) -> dict[str, Reader]:
    kept = cached(dataset, "on", folder=cache)
    streets = open_dataset("synthetic:size=240x180")
    return {
        "plain Pillow loop": lambda: _plain(dataset, count),
        "checked samples, this process": lambda: _one_by_one(dataset, count),
        "cache, this process": lambda: _one_by_one(kept, count),
        f"training feed, 240x180, {workers} workers": lambda: _fed(dataset, count, workers),
        "training feed from the cache, this process": lambda: _fed(kept, count, 0),
        "synthetic streets, 240x180, drawn": lambda: _one_by_one(streets, min(count, len(streets))),
    }


def _plain(dataset: FileDataset, count: int) -> int:
    """What one would write in a minute: two opens, two arrays, no check, no table."""
    for pair in dataset.source.pairs[:count]:
        assert pair.image
        np.asarray(Image.open(pair.image).convert("RGB"))
        if pair.label:
            np.asarray(Image.open(pair.label))
    return count


def _one_by_one(dataset: Dataset, count: int) -> int:
    for index in range(count):
        dataset[index]
    return count


def _fed(dataset: Dataset, count: int, workers: int) -> int:
    """Batches of 8 as `segbench train` gets them."""
    plan = TrainingPlan(Recipe(batch_size=8), width=240, height=180, steps=count, workers=workers)
    stream = batches(Feed(LabelledAugmenter(dataset, plan), plan.seed), plan, 0, torch.device("cpu"))
    return sum(len(part.images) for _ in range(-(-count // 8)) for part in next(stream))


def _rates(readers: dict[str, Reader], rounds: int) -> dict[str, list[float]]:
    """Images per second of each reader in each round, the first round left out."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(rounds + 1):
        for name, rate in _one_round(readers):
            if number:
                rates[name].append(rate)
    return rates


def _one_round(readers: dict[str, Reader]) -> Iterable[tuple[str, float]]:
    for name, read in readers.items():
        start = time.perf_counter()
        count = read()
        yield name, count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
