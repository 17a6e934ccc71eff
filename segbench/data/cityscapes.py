"""Cityscapes: fine and coarse labels, read from labelIds, and predictions written for the test server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from segbench.cards.datasets import IGNORE, DatasetCard
from segbench.data.broken import Broken
from segbench.data.dataset import Pixels
from segbench.data.images import read_indices
from segbench.data.listing import Matched, join
from segbench.data.source import AbsentSplit, ImageAndLabel, Source
from segbench.data.tables import IdTable, identity_table
from segbench.errors import DataError

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each train id 0..18 (cityscapesScripts, labels.py)."""

_UNLABELLED = 0
_LAST_ID = 33
"""Ids 0..33 occur in labelIds files; the licence plate's -1 is never painted."""

_FROM_LABEL_IDS = IdTable.of(
    {**dict.fromkeys(range(_LAST_ID + 1), IGNORE), **{label: train for train, label in enumerate(LABEL_IDS)}}
)
_FROM_TRAIN_IDS = identity_table(len(LABEL_IDS))

_PARTS = {
    "train": ("train", "gtFine"),
    "val": ("val", "gtFine"),
    "test": ("test", "gtFine"),
    "coarse": ("train_extra", "gtCoarse"),
}
"""Folder and label tree of each part of a split."""

_IMAGE_ENDING = "_leftImg8bit.png"


def find(card: DatasetCard, root: Path, split: str, options: Mapping[str, str]) -> Source:
    """The pairs of a split; `train+val+coarse` is what test submissions train on.

    Raises:
        DataError: a part of the split is not there.
    """
    pairs, broken = join(_part(card, root, part, options["images"] == "yes") for part in card.parts(split))
    return Source(card, split, "official", pairs, read_label, broken, options)


def read_label(pair: ImageAndLabel) -> Pixels | None:
    """Train ids from a labelIds file, or from a labelTrainIds file where only that was kept."""
    if pair.label is None:
        return None
    table = _FROM_LABEL_IDS if pair.label.name.endswith("labelIds.png") else _FROM_TRAIN_IDS
    return table.translate(read_indices(pair.label), pair.label)


def to_label_ids(train_ids: Pixels) -> Pixels:
    """Label ids of train ids, any shape; 255 becomes 0, unlabelled."""
    table = np.full(256, _UNLABELLED, np.uint8)
    table[: len(LABEL_IDS)] = LABEL_IDS
    return table[train_ids]


def write_prediction(folder: Path, name: str, train_ids: Pixels) -> Path:
    """Writes a prediction as the test server wants it: label ids, full size, one PNG an image.

    Args:
        name: the sample's, `CITY_SEQ_FRAME`.
        train_ids: `(H, W)`.

    Returns:
        the file written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_labelIds.png"
    Image.fromarray(to_label_ids(train_ids)).save(path)
    return path


def _part(card: DatasetCard, root: Path, part: str, with_images: bool) -> Matched:
    folder, tree = _PARTS[part]
    images = _by_city(root / "leftImg8bit" / folder, _IMAGE_ENDING) if with_images else {}
    labels = {
        **_by_city(root / tree / folder, f"_{tree}_labelTrainIds.png"),
        **_by_city(root / tree / folder, f"_{tree}_labelIds.png"),
    }
    if not (images or labels):
        raise AbsentSplit(card, part, root, f"leftImg8bit/{folder} and {tree}/{folder}")
    if part == "test" and not labels:
        return tuple(ImageAndLabel(name, path, None) for name, path in images.items()), ()
    if not with_images:
        return tuple(ImageAndLabel(name, None, path) for name, path in sorted(labels.items())), ()
    pairs = tuple(ImageAndLabel(name, images[name], labels[name]) for name in sorted(images.keys() & labels.keys()))
    alone = [Broken.of(name, images[name], f"its label in {tree} is missing") for name in images.keys() - labels.keys()]
    alone += [Broken.of(name, labels[name], "its image is missing") for name in labels.keys() - images.keys()]
    return pairs, tuple(sorted(alone, key=lambda item: item.name))


def _by_city(folder: Path, ending: str) -> dict[str, Path]:
    """`CITY_SEQ_FRAME` -> file, of one part of the split, sorted."""
    try:
        files = sorted(path for path in folder.glob(f"*/*{ending}") if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read: {error.strerror}") from error
    return {path.name.removesuffix(ending): path for path in files}
