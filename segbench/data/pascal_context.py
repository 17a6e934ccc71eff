"""PASCAL-Context with 59 or 60 classes, from each of the forms its labels circulate in.

Two of these forms use the same file names and the same values 0..59 for different classes: the converters' PNGs
number the classes alphabetically, the authors' own PNGs put the 20 VOC classes first. Which one it is follows from
the folder's name or from coloured labels; where neither tells, the user is asked.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segbench.cards.colours import voc_colour
from segbench.cards.datasets import IGNORE, DatasetCard, dataset_card
from segbench.data.broken import Broken, BrokenFile
from segbench.data.dataset import Pixels
from segbench.data.detail_json import DetailFile
from segbench.data.listing import Matched, files_in, first_file, join, match, names_in, read_lines
from segbench.data.source import AbsentSplit, ImageAndLabel, LabelReader, Source
from segbench.data.tables import ColourTable, IdTable
from segbench.errors import DataError

CLASS_NAMES = dataset_card("pascal-context-59").class_names
"""The 59 classes in our order, the alphabetical one."""

ORIGINAL_ORDER = tuple(
    "aeroplane bicycle bird boat bottle bus car cat chair cow table dog horse motorbike person pottedplant sheep "
    "sofa train tvmonitor bag bed bench book building cabinet ceiling cloth computer cup door fence floor flower "
    "food grass ground keyboard light mountain mouse curtain platform sign plate road rock shelves sidewalk sky "
    "snow bedclothes track tree truck wall water window wood".split()
)
"""The same classes in the order of the authors' own 59-class PNGs: the 20 VOC classes first."""

IDS_OF_59 = (
    *(2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113, 115, 144, 158, 159),
    *(162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326, 347, 349, 354, 355, 360, 366, 368),
    *(397, 415, 416, 420, 424, 427, 440, 445, 454, 458),
)
"""Id of each of the 59 classes among all 459 categories, in our order (detail-api; mmsegmentation's converter)."""

_CATEGORIES = 459
_BACKGROUND = 0

_PNGS, _PNGS_59, _MATS, _JSON = "SegmentationClassContext", "59_context_labels", "trainval", "trainval_merged.json"
_IMAGES = "JPEGImages"

_ORDER_OF_LAYOUT = {"png": "sorted", "png59": "original", "colour": "original"}
"""What a layout says about the class order; `openseg` says nothing, `mat` and `json` hold ids that need no order."""

_LISTS = (
    "ImageSets/SegmentationContext/{part}.txt",
    "{part}.txt",
    "pascalcontext_{part}.txt",
    "ImageSets/Main/{part}.txt",
)


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split; `all` takes every labelled image, whatever the lists say.

    Raises:
        DataError: no known layout, a split that is not there, or labels whose class order nothing tells.
    """
    tree = _Tree(card, root)
    layout = _detect(tree) if options["layout"] == "auto" else options["layout"]
    parts = card.parts(split)
    if layout == "json":
        return _from_json(tree, split, parts)
    order = _order(tree, layout, options["order"]) if layout != "mat" else "by id"
    pairs, broken = join(_FINDERS[layout](tree, part) for part in parts)
    settled = {"order": order}
    return Source(card, split, layout, pairs, _reader(layout, card.classes, order), broken, settled)


def id_table(classes: int, order: str) -> IdTable:
    """Train ids of the PNGs' values 0..59 (0 = background) for 59 or 60 classes, by the PNGs' class order."""
    names = CLASS_NAMES if order == "sorted" else ORIGINAL_ORDER
    first = classes - len(CLASS_NAMES)
    trains = {index: CLASS_NAMES.index(name) + first for index, name in enumerate(names, start=1)}
    return IdTable.of({_BACKGROUND: 0 if first else IGNORE, **trains, IGNORE: IGNORE})


@dataclass(frozen=True)
class CategoryTable:
    """Train ids of the 459 categories: those outside the 59 count as background."""

    classes: int

    @cached_property
    def _table(self) -> Pixels:
        first = self.classes - len(IDS_OF_59)
        table = np.full(_CATEGORIES + 1, 0 if first else IGNORE, np.uint8)
        table[list(IDS_OF_59)] = np.arange(len(IDS_OF_59)) + first
        return table

    def translate(self, categories: NDArray[np.generic], path: Path) -> Pixels:
        """Train ids `(H, W)` of category ids.

        Raises:
            BrokenFile: an id outside 0..459, `path` being the file it stands in.
        """
        if categories.ndim != 2 or categories.dtype.kind not in "uif":
            raise BrokenFile(path, f"a label must be a matrix of numbers; this is {categories.ndim}-dimensional")
        low, high = float(np.min(categories)), float(np.max(categories))
        if low < 0 or high > _CATEGORIES:
            raise BrokenFile(path, f"label values {low:g} to {high:g} are outside the allowed 0..{_CATEGORIES}")
        return self._table[categories.astype(np.intp)]


_DAMAGED_MAT = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, OverflowError, MemoryError, NotImplementedError),
    *(struct.error, zlib.error),
)
"""What scipy raises on damaged files, found by damaging some; NotImplementedError is its word for version 7.3."""


@dataclass(frozen=True)
class MatReader:
    """Reads the authors' .mat files, whose variable `LabelMap` holds category ids."""

    table: CategoryTable

    def __call__(self, pair: ImageAndLabel) -> Pixels | None:
        from scipy.io import loadmat  # slow to import and needed for this layout only
        from scipy.io.matlab import MatReadError

        assert pair.label is not None
        try:
            content = loadmat(pair.label, variable_names=["LabelMap"])
        except (*_DAMAGED_MAT, MatReadError) as error:
            raise BrokenFile(pair.label, f"it is not a readable .mat file ({error})") from error
        if "LabelMap" not in content:
            raise BrokenFile(pair.label, "it has no variable LabelMap")
        return self.table.translate(np.asarray(content["LabelMap"]), pair.label)


@dataclass(frozen=True)
class DetailReader:
    """Paints an image's segments of the JSON file."""

    file: DetailFile
    table: CategoryTable

    def __call__(self, pair: ImageAndLabel) -> Pixels | None:
        return self.table.translate(self.file.category_map(pair.name), self.file.path)


@dataclass(frozen=True)
class _Tree:
    """The folder as given, and VOC2010's folder within it."""

    card: DatasetCard
    root: Path

    @property
    def bases(self) -> tuple[Path, ...]:
        return self.root, self.root / "VOC2010", self.root / "VOCdevkit" / "VOC2010"

    def folder(self, name: str) -> Path | None:
        return next((base / name for base in self.bases if (base / name).is_dir()), None)

    def file(self, name: str) -> Path | None:
        return first_file(base / name for base in self.bases)

    def images(self, part: str) -> Path:
        found = self.folder(_IMAGES)
        if found is None:
            raise AbsentSplit(self.card, part, self.root, f"the images in VOC2010/{_IMAGES}")
        return found

    def names(self, part: str, labels: Path, ending: str) -> list[str]:
        """The lines of the split's list, or every label's name for `all`."""
        if part == "all":
            return sorted(names_in(labels, ending))
        listed = next(filter(None, (self.file(name.format(part=part)) for name in _LISTS)), None)
        if listed is None:
            raise AbsentSplit(self.card, part, self.root, f"a list ImageSets/SegmentationContext/{part}.txt")
        return read_lines(listed)


def _detect(tree: _Tree) -> str:
    """The layout that lies there; of several the quickest to decode."""
    if tree.folder(_PNGS):
        return "png"
    if tree.folder(_PNGS_59):
        return "png59"
    if any((tree.root / part / "label").is_dir() for part in ("train", "val")):
        return "openseg"
    if _has(tree.folder(_MATS), ".mat"):
        return "mat"
    return "json" if tree.file(_JSON) else "colour"


def _has(folder: Path | None, ending: str) -> bool:
    return folder is not None and bool(names_in(folder, ending))


def _order(tree: _Tree, layout: str, said: str) -> str:
    if said != "auto":
        return said
    if layout in _ORDER_OF_LAYOUT:
        return _ORDER_OF_LAYOUT[layout]
    raise DataError(
        f"{tree.root}: nothing tells the class order of these PASCAL-Context labels; say "
        f"{tree.card.name}:order=sorted (alphabetical, as openseg's and mmsegmentation's converters write them) or "
        f"{tree.card.name}:order=original (VOC's 20 classes first, as in 59_context_labels)"
    )


def _reader(layout: str, classes: int, order: str) -> LabelReader:
    if layout == "mat":
        return MatReader(CategoryTable(classes))
    table = id_table(classes, order)
    if layout != "colour":
        return table
    return ColourTable.of({voc_colour(stored): train for stored, train in table.train_ids if stored != IGNORE})


def _in_folder(tree: _Tree, part: str, *, folder: str, ending: str) -> Matched:
    labels = tree.folder(folder)
    if labels is None:
        raise AbsentSplit(tree.card, part, tree.root, f"the folder {folder}")
    return match(tree.images(part), labels, tree.names(part, labels, ending), ending=ending)


def _openseg(tree: _Tree, part: str) -> Matched:
    if part == "all":
        return join(_openseg(tree, half) for half in ("train", "val") if (tree.root / half / "label").is_dir())
    images, labels = tree.root / part / "image", tree.root / part / "label"
    if not (images.is_dir() and labels.is_dir()):
        raise AbsentSplit(tree.card, part, tree.root, f"{part}/image and {part}/label")
    return match(images, labels, None)


def _coloured(tree: _Tree, part: str) -> Matched:
    names = tree.names(part, tree.root, ".png")
    return match(tree.root, tree.root, names, image_endings=(".jpg", ".jpeg"))


_FINDERS: dict[str, Callable[[_Tree, str], Matched]] = {
    "png": partial(_in_folder, folder=_PNGS, ending=".png"),
    "png59": partial(_in_folder, folder=_PNGS_59, ending=".png"),
    "mat": partial(_in_folder, folder=_MATS, ending=".mat"),
    "openseg": _openseg,
    "colour": _coloured,
}


def _from_json(tree: _Tree, split: str, parts: tuple[str, ...]) -> Source:
    path = tree.file(_JSON)
    if path is None:
        raise AbsentSplit(tree.card, split, tree.root, f"VOC2010/{_JSON}")
    detail = DetailFile.read(path)
    images = tree.images(split)
    phases = ("train", "val") if "all" in parts else parts
    found = {name: images / detail.images[name].file_name for name in detail.names(phases)}
    here = set(files_in(images))
    pairs = tuple(ImageAndLabel(name, file, None) for name, file in found.items() if file.name in here)
    broken = tuple(
        Broken.of(name, file, "the annotation file names this image but it is missing")
        for name, file in found.items()
        if file.name not in here
    )
    if not pairs and not broken:
        raise AbsentSplit(tree.card, split, tree.root, f"images of this phase in {_JSON}")
    reader = DetailReader(detail, CategoryTable(tree.card.classes))
    return Source(tree.card, split, "json", pairs, reader, broken, {"order": "by id"}, (path,))
