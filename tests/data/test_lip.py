from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segbench.data import open_dataset
from segbench.errors import DataError

Write = Callable[..., Path]

LAYOUTS = {
    "official": ("TrainVal_images/{p}_images", "TrainVal_parsing_annotations/{p}_segmentations"),
    "doubled": (
        "TrainVal_images/TrainVal_images/{p}_images",
        "TrainVal_parsing_annotations/TrainVal_parsing_annotations/{p}_segmentations",
    ),
    "half doubled": ("TrainVal_images/TrainVal_images/{p}_images", "TrainVal_parsing_annotations/{p}_segmentations"),
    "flat": ("{p}_images", "{p}_segmentations"),
    "openseg": ("{p}/image", "{p}/label"),
}
NAMES = {"train": ["1_10", "2_20"], "val": ["3_30"]}


@pytest.fixture
def build(tmp_path: Path, write_image: Write, write_label: Write) -> Callable[[str, str], Path]:
    def make(images: str, labels: str) -> Path:
        for part, names in NAMES.items():
            for name in names:
                write_image(tmp_path / images.format(p=part) / f"{name}.jpg")
                write_label(tmp_path / labels.format(p=part) / f"{name}.png", 0, 14, 15, 19)
        return tmp_path

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tree_is_read(build: Callable[[str, str], Path], layout: str) -> None:
    root = build(*LAYOUTS[layout])
    assert open_dataset("lip", root).names == ("1_10", "2_20")
    dataset = open_dataset("lip", root, "train+val")
    assert dataset.names == ("1_10", "2_20", "3_30")
    assert dataset[2].label[0, ::2].tolist() == [0, 14, 15, 19]


def test_official_id_lists_choose_and_order(build: Callable[[str, str], Path]) -> None:
    root = build(*LAYOUTS["official"])
    (root / "TrainVal_images/train_id.txt").write_text("2_20\n1_10\n")
    assert open_dataset("lip", root).names == ("2_20", "1_10")


def test_hrnets_lists_of_three_columns_are_read(build: Callable[[str, str], Path]) -> None:
    root = build(*LAYOUTS["official"])
    folders = ("TrainVal_images/train_images/2_20.jpg", "a/train_segmentations/2_20.png", "b/reversed/2_20.png")
    (root / "list/lip").mkdir(parents=True)
    (root / "list/lip/trainList.txt").write_text(" ".join(folders) + "\n")
    assert open_dataset("lip", root).names == ("2_20",)


def test_jppnets_tree_needs_its_lists(build: Callable[[str, str], Path]) -> None:
    root = build("images", "labels")
    (root / "labels_rev").mkdir()
    with pytest.raises(DataError, match=r"share a folder, so list/val_id.txt is needed"):
        open_dataset("lip", root, "val")
    (root / "list").mkdir()
    (root / "list/val_id.txt").write_text("3_30\n")
    assert open_dataset("lip", root, "val").names == ("3_30",)


def test_a_listed_image_that_is_missing_is_named(build: Callable[[str, str], Path]) -> None:
    root = build(*LAYOUTS["official"])
    (root / "TrainVal_images/train_id.txt").write_text("2_20\n7_77\n")
    with pytest.raises(DataError, match=r"7_77.jpg: the image is in the list but not here"):
        open_dataset("lip", root)
    dataset = open_dataset("lip", root, skip_broken=True)
    assert dataset.names == ("2_20",)
    assert [item.name for item in dataset.broken] == ["7_77"]


def test_grey_images_become_rgb(build: Callable[[str, str], Path], write_image: Write) -> None:
    root = build(*LAYOUTS["flat"])
    write_image(root / "val_images/3_30.jpg", colour=90, mode="L")
    image = open_dataset("lip", root, "val")[0].image
    assert image.shape == (6, 8, 3)
    assert image[0, 0].tolist() == [90, 90, 90]


def test_the_test_split_has_images_only(build: Callable[[str, str], Path], write_image: Write) -> None:
    root = build(*LAYOUTS["official"])
    write_image(root / "Testing_images/testing_images/9_9.jpg")
    assert (open_dataset("lip", root, "test")[0].label == 255).all()


def test_mirroring_swaps_left_and_right(build: Callable[[str, str], Path]) -> None:
    dataset = open_dataset("lip", build(*LAYOUTS["flat"]))
    named = [(dataset.class_names[a], dataset.class_names[b]) for a, b in dataset.flip_pairs]
    assert named == [("left arm", "right arm"), ("left leg", "right leg"), ("left shoe", "right shoe")]


def test_a_label_above_nineteen_is_out_of_range(build: Callable[[str, str], Path], write_label: Write) -> None:
    root = build(*LAYOUTS["flat"])
    write_label(root / "val_segmentations/3_30.png", 0, 20)
    with pytest.raises(DataError, match=r"label values 20 are outside the allowed 0\.\.19, 255"):
        open_dataset("lip", root, "val")[0]


def test_the_real_pairs_are_read_the_grey_one_too(real_data: Path) -> None:
    dataset = open_dataset("lip", real_data / "fixtures", "train+val")
    assert dataset.names == ("684_2150041", "86_185913")
    grey = dataset[1].image
    assert grey.shape == (377, 130, 3)
    assert np.array_equal(grey[..., 0], grey[..., 2])
