"""Reads a user's own data set as its card says: by patterns of paths, by list files, or by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segbench.cards.dataset_card import IGNORE, DatasetCard, Files
from segbench.data.broken import Broken
from segbench.data.listing import Found, Matched, join, paired, stem
from segbench.data.lists import columns, named, read_lines
from segbench.data.patterns import find_by_patterns
from segbench.data.source import AbsentSplit, ImageAndLabel, LabelReader, Source
from segbench.data.tables import ColourTable, IdTable
from segbench.errors import DataError
from segbench.records.text import printable


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split.

    Raises:
        DataError: nothing of the split is there, or a list file is missing.
    """
    assert card.files is not None
    parts = [_Part(card, card.files, root, part) for part in card.parts(split)]
    pairs, broken = join(part.matched() for part in parts)
    return Source(card, split, "own", pairs, label_reader(card), broken, {**options, "card": card.hash()})


def label_reader(card: DatasetCard) -> LabelReader:
    """What turns the card's label files into train ids."""
    stored = card.stored_labels
    other = {"other": IGNORE} if card.labels.other == "ignore" else {}
    if card.labels.hold == "colours":
        return ColourTable.of({value: train for value, train in stored.items() if isinstance(value, tuple)}, **other)
    return IdTable.of({value: train for value, train in stored.items() if isinstance(value, int)}, **other)


@dataclass(frozen=True)
class _Part:
    """One part of a split in its folder."""

    card: DatasetCard
    files: Files
    root: Path
    part: str

    def matched(self) -> Matched:
        listed = self._lines()
        if not self.files.images:
            return self._listed_pairs(listed or [])
        image_of = find_by_patterns(self.root, self._here(self.files.images))
        label_of = find_by_patterns(self.root, self._here(self.files.labels)) if self.files.labels else None
        if not image_of and not label_of:
            raise AbsentSplit(self.card, self.part, self.root, " or ".join(self._here(self.files.images)))
        names = None
        if listed is not None:
            known = image_of.keys() | (label_of or {}).keys()
            names = named(listed, _Names(self.root, image_of, label_of or {}))
            names = [name if name in known else stem(name) for name in names]
        places = self._place_in(self.files.images), self._place_in(self.files.labels)
        return self._called(paired(image_of, label_of, names, *places))

    def _called(self, matched: Matched) -> Matched:
        """With the split's name before each sample's where each split has its own folder: both may count from 0."""
        if not any("{split}" in pattern for pattern in self.files.images):
            return matched
        pairs, broken = matched
        return (
            tuple(replace(pair, name=f"{self.part}/{pair.name}") for pair in pairs),
            tuple(replace(item, name=f"{self.part}/{item.name}") for item in broken),
        )

    def _here(self, patterns: Sequence[str]) -> list[str]:
        folder = self.files.folders.get(self.part, self.part)
        return [pattern.replace("{split}", folder) for pattern in patterns]

    def _place_in(self, patterns: Sequence[str]) -> _Place:
        return _Place(self.root, next(iter(self._here(patterns)), "*"))

    def _lines(self) -> list[str] | None:
        """The lines of the split's list file; None where the card has none."""
        if not self.files.listed:
            return None
        (place,) = self._here([self.files.listed])
        if not (self.root / place).is_file():
            raise AbsentSplit(self.card, self.part, self.root, f"the list {place}")
        return read_lines(self.root / place)

    def _listed_pairs(self, lines: Sequence[str]) -> Matched:
        """Pairs from lines that hold the path of an image and of its label."""
        found = [self._line(line) for line in lines]
        pairs = tuple(item for item in found if isinstance(item, ImageAndLabel))
        broken = tuple(item for item in found if isinstance(item, Broken))
        if not pairs and not broken:
            raise AbsentSplit(self.card, self.part, self.root, f"lines in {self._here([self.files.listed])[0]}")
        return pairs, broken

    def _line(self, line: str) -> ImageAndLabel | Broken | None:
        """A line's pair; None for a comment."""
        paths = columns(line, self._existing)[:2]
        if not paths:
            return None
        place = PurePosixPath(paths[0])
        name = printable(str((PurePosixPath(place.name) if place.is_absolute() else place).with_suffix("")))
        for path in paths:
            if not (self.root / path).is_file():
                return Broken.of(name, self.root / path, "it is in the list but not here")
        return ImageAndLabel(name, self.root / paths[0], self.root / paths[1] if len(paths) > 1 else None)

    def _existing(self, written: str) -> str | None:
        """A path of a list as it lies below the root; of a path of another machine, its end is tried."""
        parts = PurePosixPath(written).parts
        ends = ["/".join(parts[start:]) for start in range(len(parts)) if parts[start] != "/"]
        here = next((end for end in ends if (self.root / end).is_file()), None)
        return written if here is None and (self.root / written).is_file() else here


@dataclass(frozen=True)
class _Place:
    """Where a sample's missing file would lie."""

    root: Path
    pattern: str

    def __call__(self, name: str) -> Path:
        folder, _, last = self.pattern.rpartition("/")
        plain = folder.partition("*")[0] if "*" in folder or not folder else f"{folder}/"
        return self.root / f"{plain}{name}{last.rpartition('*')[2]}"


class _Names:
    """Tells which sample a line means: by its path below the root, its name, or the last part of its path."""

    def __init__(self, root: Path, image_of: Found, label_of: Found) -> None:
        self._keys: dict[str, set[str]] = {}
        for found in (image_of, label_of):
            for key, paths in found.items():
                for path in paths:
                    for text in (_below(path, root), key, path.name, path.stem, Path(key).name):
                        self._keys.setdefault(text, set()).add(key)

    def __call__(self, written: str) -> str | None:
        """The sample's name; None if there is none.

        Raises:
            DataError: several samples are called so.
        """
        for text in (written.removeprefix("./"), written.rpartition("/")[2]):
            keys = self._keys.get(text, set())
            if len(keys) > 1 and text not in keys:
                first, second = sorted(keys)[:2]
                raise DataError(f"the list's {printable(written)} may be {first} or {second}; write its path")
            if keys:
                return text if text in keys else next(iter(keys))
        return None


def _below(path: Path, root: Path) -> str:
    return path.as_posix().removeprefix(f"{root.as_posix()}/")
