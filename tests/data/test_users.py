"""A user's own data set: the same samples by patterns, by lists, and by both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.cards.datasets import settled_spec
from segbench.data import open_dataset
from segbench.data.cache import CachedDataset
from segbench.data.check import check_split, present_splits, repeated_names
from segbench.errors import DataError

Write = Callable[..., Path]

HEAD = (
    'width = 8\nheight = 6\nclasses = [{ name = "road", colour = [9, 9, 9] }, { name = "sky", colour = [0, 7, 1] }]\n'
)
GLOBS = '[files]\nimages = ["images/{split}/*.jpg", "images/{split}/*.png"]\nlabels = "labels/{split}/*.png"\n'


@pytest.fixture
def root(tmp_path: Path, write_image: Write, write_label: Write) -> Path:
    """Two training pairs and one for validation, whose names are counted anew."""
    for split, names in {"train": ["im 0.jpg", "im 1.png"], "val": ["im 0.jpg"]}.items():
        for name in names:
            write_image(tmp_path / "images" / split / name)
            write_label(tmp_path / "labels" / split / Path(name).with_suffix(".png"), 0, 1, 255)
    return tmp_path


def _card(root: Path, text: str) -> str:
    (root / "mine.toml").write_text(HEAD + text)
    return settled_spec(str(root / "mine.toml"))


def test_patterns_join_images_and_labels(root: Path) -> None:
    dataset = open_dataset(_card(root, GLOBS))
    assert dataset.names == ("train/im 0", "train/im 1")
    assert (dataset.name, dataset.classes, dataset.class_names) == ("mine", 2, ("road", "sky"))
    assert np.unique(dataset[1].label).tolist() == [0, 1, 255]
    assert open_dataset(_card(root, GLOBS), split="val+train").names == ("val/im 0", "train/im 0", "train/im 1")


def test_a_card_may_be_named_as_it_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _card(root, GLOBS)
    monkeypatch.chdir(root)
    assert open_dataset("mine.toml", split="val").names == ("val/im 0",)


def test_another_root_holds_a_copy(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    spec = _card(root, GLOBS)
    elsewhere = tmp_path_factory.mktemp("copy")
    here = open_dataset(spec).fingerprint
    for folder in ("images", "labels"):
        (root / folder).rename(elsewhere / folder)
    assert open_dataset(spec, elsewhere).fingerprint == here
    with pytest.raises(DataError, match=r"'train' is not in .*it needs images/train/\*.jpg or images/train/\*.png"):
        open_dataset(spec)


def test_a_list_chooses_and_orders(root: Path) -> None:
    spec = _card(root, GLOBS + 'list = "{split}.txt"\n')
    (root / "train.txt").write_text("images/train/im 1.png labels/train/im 1.png\n# the other\nim 0\n")
    assert open_dataset(spec).names == ("train/im 1", "train/im 0")
    (root / "train.txt").write_text("im 2.png\n")
    with pytest.raises(DataError, match=r"images/train/im 2.jpg: the image is in the list but not here"):
        open_dataset(spec)
    with pytest.raises(DataError, match=r"it needs the list val.txt"):
        open_dataset(spec, split="val")


def test_a_list_of_pairs_needs_no_patterns(root: Path) -> None:
    spec = _card(root, '[files]\nlist = "{split}.csv"\n')
    lines = ("images/train/im 0.jpg,labels/train/im 0.png", "/old/images/val/im 0.jpg /old/labels/val/im 0.png")
    (root / "train.csv").write_text("\n".join(lines))
    assert open_dataset(spec).names == ("images/train/im 0", "images/val/im 0")
    (root / "train.csv").write_text("images/train/im 0.jpg labels/train/gone.png\n")
    with pytest.raises(DataError, match=r"labels/train/gone.png: it is in the list but not here"):
        open_dataset(spec)


def test_images_alone_have_no_labels(root: Path) -> None:
    dataset = open_dataset(_card(root, '[files]\nimages = "images/{split}/*.jpg"\n'))
    assert (dataset[0].label == 255).all()


def test_splits_may_lie_in_folders_of_other_names(root: Path) -> None:
    (root / "images/train").rename(root / "images/training")
    (root / "labels/train").rename(root / "labels/training")
    spec = _card(root, GLOBS + '[files.folders]\ntrain = "training"\n')
    assert open_dataset(spec).names == ("train/im 0", "train/im 1")


def test_labels_are_mapped(root: Path) -> None:
    spec = _card(root, GLOBS + '[labels]\nignore = 0\nmap = { 1 = "road" }\nother = "ignore"\n')
    assert np.unique(open_dataset(spec)[0].label).tolist() == [0, 255]
    strict = _card(root, GLOBS + '[labels]\nignore = 0\nmap = { 1 = "road" }\n')
    with pytest.raises(DataError, match=r"label values 255 are outside the allowed 0\.\.1"):
        open_dataset(strict)[0]


def test_colours_are_classes(root: Path) -> None:
    label = np.zeros((6, 8, 3), np.uint8)
    label[:, :4] = (9, 9, 9)
    label[:, 4:6] = (0, 7, 1)
    Image.fromarray(label).save(root / "labels/val/im 0.png")
    spec = _card(root, GLOBS + '[labels]\nhold = "colours"\nignore = "#000000"\n')
    assert open_dataset(spec, split="val")[0].label[0].tolist() == [0, 0, 0, 0, 1, 1, 255, 255]
    with pytest.raises(DataError, match=r"mode L; a label of this layout must be coloured"):
        open_dataset(spec)[0]


def test_what_has_no_partner_or_two_is_named(root: Path, write_image: Write) -> None:
    (root / "labels/train/im 0.png").unlink()
    write_image(root / "images/train/im 1.jpg")
    with pytest.raises(DataError, match=r"labels/train/im 0.png: the label of an image is missing \(and 1 more\)"):
        open_dataset(_card(root, GLOBS))


def test_it_is_checked_like_a_built_in_set(root: Path) -> None:
    datasets = present_splits(_card(root, GLOBS))
    train, val = (check_split(dataset) for dataset in datasets)
    assert (train.images, val.images, train.passed, val.passed) == (2, 1, True, True)
    assert train.class_images == (2, 2)
    assert repeated_names(datasets) == [], "two folders may count from 0"


def test_it_is_cached_and_another_mapping_is_another_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    plain = open_dataset(_card(root, GLOBS), cache="on")
    mapped = open_dataset(_card(root, GLOBS + "[labels]\nmap = { 0 = 1, 1 = 0 }\n"), cache="on")
    assert isinstance(plain, CachedDataset)
    assert plain.fingerprint != mapped.fingerprint
    assert plain[0].label[0, 0] == 0
    assert mapped[0].label[0, 0] == 1
