"""Looks at every file of a user's copy: counts, sizes, labels, what is missing, what is broken."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segbench.cards.datasets import IGNORE, read_dataset_spec
from segbench.data.broken import Broken, BrokenFile
from segbench.data.dataset import Dataset, Sample
from segbench.data.opening import open_as_is
from segbench.data.source import AbsentSplit

_EVERYTHING = "all"
"""A split that repeats others; it is looked at only where it is the only one."""


@dataclass(frozen=True)
class SplitCheck:
    """What one split holds.

    Attributes:
        layout, options: how it was read.
        images: usable pairs.
        expected: the official number; 0 where there is none.
        broken: everything that cannot be used.
        sizes: images by `WIDTHxHEIGHT`, the commonest first.
        class_pixels, class_images: pixels of each class, and images it occurs in.
        ignored_pixels: pixels that do not count.
        seconds: that looking at it took.
    """

    split: str
    layout: str
    options: dict[str, str]
    images: int
    expected: int
    broken: tuple[Broken, ...]
    sizes: dict[str, int]
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    ignored_pixels: int
    fingerprint: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Something is there and nothing is broken; another number than the official one is no fault."""
        return self.images > 0 and not self.broken

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


def present_splits(name: str, root: str | os.PathLike[str] | None = None, splits: Sequence[str] = ()) -> list[Dataset]:
    """The splits asked for, or all that are there, unread.

    Args:
        name, root: as of `open_dataset`.

    Raises:
        UnknownName: no such data set, option or split.
        AbsentSplit: one that was asked for, or every one, is not there.
        DataError: nothing of the data set is there.
    """
    card, written = read_dataset_spec(name)
    options = card.settle(written)
    if splits:
        return [open_as_is(card, root, split, options) for split in splits]
    found: list[Dataset] = []
    absent: list[AbsentSplit] = []
    for split in card.splits:
        if split == _EVERYTHING and found:
            continue
        try:
            found.append(open_as_is(card, root, split, options))
        except AbsentSplit as error:
            absent.append(error)
    if not found:
        raise absent[0]
    return found


def check_split(dataset: Dataset, expected: int = 0, progress: Callable[[int, int], None] | None = None) -> SplitCheck:
    """Decodes every sample of a split and sums up what is in it.

    Args:
        expected: the official number of images.
        progress: hears (images looked at, images in all).
    """
    start = time.perf_counter()
    broken = list(dataset.broken)
    sizes: Counter[str] = Counter()
    pixels, images = np.zeros(256, np.int64), np.zeros(256, np.int64)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, seen in enumerate(pool.map(lambda index: _look(dataset, index), range(len(dataset))), start=1):
            if isinstance(seen, Broken):
                broken.append(seen)
            else:
                sizes[seen.size] += 1
                pixels += seen.counts
                images += seen.counts > 0
            if progress is not None:
                progress(done, len(dataset))
    facts = dataset.describe()
    return SplitCheck(
        split=dataset.split,
        layout=facts["layout"],
        options=dict(facts["options"]),
        images=sizes.total(),
        expected=expected,
        broken=tuple(broken),
        sizes=dict(sizes.most_common()),
        class_pixels=tuple(pixels[: dataset.classes].tolist()),
        class_images=tuple(images[: dataset.classes].tolist()),
        ignored_pixels=int(pixels[IGNORE]),
        fingerprint=dataset.fingerprint,
        seconds=time.perf_counter() - start,
    )


def repeated_names(datasets: Sequence[Dataset]) -> list[str]:
    """A sentence for each two splits that share samples, and for each that lists one twice."""
    sentences = []
    for position, dataset in enumerate(datasets):
        names = set(dataset.names)
        if len(names) < len(dataset):
            sentences.append(f"{dataset.split} lists {len(dataset) - len(names)} images more than once")
        for other in datasets[:position]:
            shared = sorted(names & set(other.names))
            if shared:
                sentences.append(f"{other.split} and {dataset.split} share {len(shared)} images, {shared[0]} for one")
    return sentences


def some_samples(datasets: Sequence[Dataset], count: int) -> list[Sample]:
    """At most so many usable samples from all over the splits."""
    places = [(dataset, index) for dataset in datasets for index in range(len(dataset))]
    count = min(count, len(places))
    samples = []
    for dataset, index in (places[step * len(places) // count] for step in range(count)):
        try:
            samples.append(dataset[index])
        except BrokenFile:
            continue
    return samples


@dataclass(frozen=True)
class _Seen:
    """One usable sample: `counts` `(256,)` pixels of each label value."""

    size: str
    counts: NDArray[np.int64]


def _look(dataset: Dataset, index: int) -> _Seen | Broken:
    try:
        label = dataset[index].label
    except BrokenFile as error:
        return Broken(dataset.names[index], error.path, error.reason)
    counts = np.bincount(label.ravel(), minlength=256)
    return _Seen(f"{label.shape[1]}x{label.shape[0]}", counts)
