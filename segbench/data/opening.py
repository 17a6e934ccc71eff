"""Opens a data set by name: finds its folder, its layout, its split, and refuses or leaves out what is broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from segbench.cards.data_roots import find_root
from segbench.cards.dataset_card import TARGET
from segbench.cards.datasets import DatasetCard, read_dataset_spec
from segbench.data.against_rest import AgainstRest
from segbench.data.cache import cached, require_mode
from segbench.data.dataset import Dataset
from segbench.data.files import FileDataset, require_whole, without_broken
from segbench.data.source import Source
from segbench.data.streets.dataset import open_synthetic
from segbench.errors import DataError

Finder = Callable[[DatasetCard, Path, str, Mapping[str, str]], Source]
"""Lists a split in a folder known to hold the data set."""


def open_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "train",
    *,
    skip_broken: bool = False,
    cache: str = "off",
    **options: object,
) -> Dataset:
    """The data set of that name.

    Args:
        name: of `DATASETS`, or a user's card (`mine.toml`); options may follow a colon (`camvid:grouping=strict`,
            `camvid:target=road` for one class against the rest).
        root: its folder, or one that holds it; None looks in SEGBENCH_DATA and the config file.
        split: `train`, `val`, `test`, or several joined: `train+val+coarse`.
        skip_broken: decode everything once now, and leave out and count what cannot be used.
        cache: keep decoded pixels in a memory-mapped file: `on`, `off`, or `auto` for sets that decode to little;
            without effect on synthetic images, which are in no files.
        options: the reader's; the data set's card lists them.

    Raises:
        UnknownName: no such data set, split, option, value or cache mode.
        CardError: a user's card that cannot be read or does not validate.
        DataError: no such folder, no known layout, an empty split, or broken files without `skip_broken`.
    """
    require_mode(cache)
    card, written = read_dataset_spec(name)
    settled = card.settle({**written, **options})
    if not card.needs_files:
        return _aimed(open_synthetic(card, split, settled), settled)
    source = find_source(card, root, split, settled)
    if skip_broken:
        source = without_broken(source)
    else:
        require_whole(source)
    if not source.pairs:
        raise DataError(f"{card.title}, split {split}: not one usable image ({len(source.broken)} broken)")
    return _aimed(cached(FileDataset(source), cache), settled)


def open_as_is(
    card: DatasetCard, root: str | os.PathLike[str] | None, split: str, options: Mapping[str, str]
) -> Dataset:
    """The data set with its broken pairs listed instead of refused, and nothing decoded.

    Args:
        options: settled (`DatasetCard.settle`).

    Raises:
        AbsentSplit: a part of the split is not there.
        DataError: no such folder, or no known layout.
    """
    if not card.needs_files:
        return _aimed(open_synthetic(card, split, options), options)
    return _aimed(FileDataset(find_source(card, root, split, options)), options)


def _aimed(dataset: Dataset, options: Mapping[str, str]) -> Dataset:
    """One class against the rest, where that is asked."""
    return AgainstRest(dataset, options[TARGET]) if TARGET in options else dataset


def find_source(
    card: DatasetCard, root: str | os.PathLike[str] | None, split: str, options: Mapping[str, str]
) -> Source:
    """The pairs of a split, broken ones listed; nothing is decoded yet.

    Raises:
        DataError: no such folder, no known layout, or the split is not in it.
    """
    return _finder(card)(card, find_root(card, root), split, options)


def _finder(card: DatasetCard) -> Finder:
    """The reader a card names; users' cards are read by one for all."""
    finder: Finder = import_module(f"segbench.data.{card.reader or 'users'}").find
    return finder
