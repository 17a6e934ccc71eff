"""A data set whose images and labels lie in files."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from segbench.cards.datasets import IGNORE
from segbench.data.broken import Broken, BrokenFile
from segbench.data.dataset import CardFacts, Pixels, Sample
from segbench.data.fingerprint import file_dates, fingerprint_files
from segbench.data.images import read_image
from segbench.data.source import ImageAndLabel, LabelReader, Source
from segbench.errors import DataError


class FileDataset(CardFacts):
    """The pairs of a source, decoded at each access."""

    def __init__(self, source: Source) -> None:
        """Takes a source without broken pairs, or one whose user chose to go on without them."""
        self.source = source
        self.card = source.card
        self.split = source.split
        self.broken = source.broken

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(pair.name for pair in self.source.pairs)

    def __len__(self) -> int:
        return len(self.source.pairs)

    def __getitem__(self, index: int, /) -> Sample:
        return read_pair(self.source.pairs[index], self.source.read_label)

    @cached_property
    def fingerprint(self) -> str:
        source = self.source
        facts = {"name": self.name, "split": self.split, "layout": source.layout, **source.options}
        files = [(pair.name, [path for path in (pair.image, pair.label) if path]) for pair in source.pairs]
        return fingerprint_files(facts, [*files, *(("shared", [path]) for path in source.shared)])

    @cached_property
    def stamp(self) -> str:
        """Changes when any file was written to, even where its size is the same; differs between machines."""
        return file_dates(path for pair in self.source.pairs for path in (pair.image, pair.label) if path)

    def describe(self) -> dict[str, Any]:
        return {
            "dataset": self.name,
            "split": self.split,
            "images": len(self),
            "broken": len(self.broken),
            "classes": self.classes,
            "layout": self.source.layout,
            "options": dict(self.source.options),
            "fingerprint": self.fingerprint,
        }


def read_pair(pair: ImageAndLabel, read_label: LabelReader) -> Sample:
    """Image and label of a pair; a missing label is all 255, a missing image is black.

    Raises:
        BrokenFile: a file that cannot be decoded, values that mean nothing, or two sizes that differ.
    """
    label = read_label(pair)
    if pair.image is None:
        if label is None:
            raise BrokenFile(pair.name, "it has neither image nor label")
        return Sample(np.zeros((*label.shape, 3), np.uint8), label, pair.name)
    image = read_image(pair.image)
    if label is None:
        label = np.full(image.shape[:2], IGNORE, np.uint8)
    if image.shape[:2] != label.shape:
        where = pair.label or pair.image
        raise BrokenFile(where, f"the label is {_size(label)} but its image {pair.image} is {_size(image)}")
    return Sample(image, label, pair.name)


def without_broken(source: Source, progress: Callable[[int, int], None] | None = None) -> Source:
    """The source with every pair decoded once and the unusable ones moved to `broken`.

    It takes as long as one epoch of reading, spread over the machine's cores, and makes what follows certain:
    the number of samples is fixed before training starts, on every process alike.
    """
    good: list[ImageAndLabel] = []
    broken = list(source.broken)
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        verdicts = pool.map(lambda pair: fault_of(pair, source.read_label), source.pairs)
        for done, (pair, fault) in enumerate(zip(source.pairs, verdicts, strict=True), start=1):
            if fault is None:
                good.append(pair)
            else:
                broken.append(fault)
            if progress is not None:
                progress(done, len(source.pairs))
    return replace(source, pairs=tuple(good), broken=tuple(broken))


def fault_of(pair: ImageAndLabel, read_label: LabelReader) -> Broken | None:
    """What is wrong with a pair, None if nothing is."""
    try:
        read_pair(pair, read_label)
    except BrokenFile as error:
        return Broken(pair.name, error.path, error.reason)
    return None


def require_whole(source: Source) -> None:
    """Refuses a source with broken pairs.

    Raises:
        DataError: names the first and counts the others.
    """
    if not source.broken:
        return
    more = f" (and {len(source.broken) - 1} more)" if len(source.broken) > 1 else ""
    raise DataError(f"{source.broken[0]}{more}; repair the copy, or go on without broken files with --skip-broken")


def _size(array: Pixels) -> str:
    return f"{array.shape[1]}x{array.shape[0]}"
