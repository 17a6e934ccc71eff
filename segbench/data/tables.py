"""Turns the ids or colours of label files into train ids, and notices values that mean nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from segbench.cards.datasets import IGNORE, Colour
from segbench.data.broken import BrokenFile
from segbench.data.dataset import Pixels
from segbench.data.images import Indices, read_colours, read_indices
from segbench.data.source import ImageAndLabel

_INVALID = 254
"""Marks an entry of a table that no label file may contain; above every train id."""

_STORED_VALUES = 1 << 16
"""Values that a pixel of a label file may have."""


@dataclass(frozen=True)
class IdTable:
    """Train id of every id that may stand in a label file; a reader for such files.

    Attributes:
        train_ids: stored id -> train id, 255 to ignore it.
        other: train id of ids not listed; they are errors unless it is 255.
    """

    train_ids: tuple[tuple[int, int], ...]
    other: int = _INVALID

    @classmethod
    def of(cls, train_ids: Mapping[int, int], other: int = _INVALID) -> IdTable:
        return cls(tuple(sorted(train_ids.items())), other)

    @cached_property
    def _table(self) -> Pixels:
        table = np.full(_STORED_VALUES, self.other, np.uint8)
        for stored, train in self.train_ids:
            table[stored] = train
        return table

    def translate(self, ids: Indices, path: Path) -> Pixels:
        """Train ids of stored ids, any shape.

        Raises:
            BrokenFile: an id that is not listed, `path` being the file it stands in.
        """
        train = self._table[ids]
        if (train == _INVALID).any():
            wrong = sorted({int(value) for value in np.unique(ids[train == _INVALID])})
            allowed = _ranges(stored for stored, _ in self.train_ids)
            raise BrokenFile(path, f"label values {_some(wrong)} are outside the allowed {allowed}")
        return train

    def __call__(self, pair: ImageAndLabel) -> Pixels | None:
        return None if pair.label is None else self.translate(read_indices(pair.label), pair.label)


@dataclass(frozen=True)
class ColourTable:
    """Train id of every colour that may stand in a label file; a reader for such files.

    Attributes:
        train_ids: colour -> train id, 255 to ignore it.
        other: train id of colours not listed; they are errors unless it is 255.
    """

    train_ids: tuple[tuple[Colour, int], ...]
    other: int = _INVALID

    @classmethod
    def of(cls, train_ids: Mapping[Colour, int], other: int = _INVALID) -> ColourTable:
        return cls(tuple(train_ids.items()), other)

    def translate(self, colours: Pixels, path: Path) -> Pixels:
        """Train ids `(H, W)` of colours `(H, W, 3)`.

        Raises:
            BrokenFile: a colour that is not listed, `path` being the file it stands in.
        """
        red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
        train: Pixels = _differences(self)[red << 16 | green << 8 | blue] + np.uint8(self.other)
        if (train == _INVALID).any():
            wrong = np.unique(colours[train == _INVALID].reshape(-1, 3), axis=0)
            names = [str(tuple(int(channel) for channel in colour)) for colour in wrong[:4]]
            raise BrokenFile(path, f"colours {_some(names)} stand for no class")
        return train

    def __call__(self, pair: ImageAndLabel) -> Pixels | None:
        return None if pair.label is None else self.translate(read_colours(pair.label), pair.label)


@lru_cache(maxsize=8)
def _differences(table: ColourTable) -> Pixels:
    """Train id of each of the 2^24 colours minus the table's `other`, modulo 256.

    Zeros cost no memory until they are looked at, and nearly all are. Kept outside the table, which travels to worker
    processes.
    """
    found = np.zeros(1 << 24, np.uint8)
    for (red, green, blue), train in table.train_ids:
        found[red << 16 | green << 8 | blue] = (train - table.other) % 256
    return found


def identity_table(classes: int, *, ignored: Iterable[int] = (IGNORE,)) -> IdTable:
    """Labels that hold train ids already; `ignored` values become 255."""
    return IdTable.of({**{index: index for index in range(classes)}, **dict.fromkeys(ignored, IGNORE)})


def _ranges(values: Iterable[int]) -> str:
    """`0..11, 255` for the numbers 0 to 11 and 255."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in runs)


def _some(values: list[int] | list[str]) -> str:
    shown = ", ".join(str(value) for value in values[:4])
    return shown + (", ..." if len(values) > 4 else "")
