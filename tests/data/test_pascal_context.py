from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from segbench.cards.colours import voc_colour
from segbench.data import open_dataset
from segbench.data.pascal_context import CLASS_NAMES, IDS_OF_59, ORIGINAL_ORDER, id_table
from segbench.errors import DataError

Write = Callable[..., Path]
NAME = "2008_000002"


@pytest.fixture
def voc(tmp_path: Path, write_image: Write) -> Path:
    """VOC2010 with one image in train and one in val, no labels yet."""
    base = tmp_path / "VOCdevkit/VOC2010"
    for part, name in (("train", NAME), ("val", "2008_000003")):
        write_image(base / "JPEGImages" / f"{name}.jpg")
        listed = base / "ImageSets/SegmentationContext" / f"{part}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(f"{name}\n")
    return base


@pytest.fixture
def pngs(voc: Path, write_label: Write) -> Path:
    for name in (NAME, "2008_000003"):
        write_label(voc / "SegmentationClassContext" / f"{name}.png", 0, 1, 20, 59)
    return voc


def test_fifty_nine_classes_ignore_the_background_sixty_count_it(pngs: Path, tmp_path: Path) -> None:
    assert open_dataset("pascal-context-59", tmp_path)[0].label[0, ::2].tolist() == [255, 0, 19, 58]
    assert open_dataset("pascal-context-60", tmp_path)[0].label[0, ::2].tolist() == [0, 1, 20, 59]


def test_the_plain_name_means_fifty_nine(pngs: Path, tmp_path: Path) -> None:
    assert open_dataset("pascal-context", tmp_path).name == "pascal-context-59"


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2010"])
def test_any_of_the_nested_folders_is_a_root(pngs: Path, tmp_path: Path, below: str) -> None:
    assert open_dataset("pascal-context", tmp_path / below, "val").names == ("2008_000003",)


def test_the_authors_pngs_have_the_original_order(voc: Path, tmp_path: Path, write_label: Write) -> None:
    write_label(tmp_path / "59_context_labels" / f"{NAME}.png", 0, 1, 2, 20)
    dataset = open_dataset("pascal-context-60", tmp_path)
    names = [dataset.class_names[index] for index in dataset[0].label[0, ::2]]
    assert names == ["background", "aeroplane", "bicycle", "tvmonitor"]
    assert dataset.describe()["options"] == {"order": "original"}


def test_coloured_labels_have_the_original_order(tmp_path: Path, write_image: Write) -> None:
    write_image(tmp_path / f"{NAME}.jpg")
    Image.new("RGB", (8, 6), voc_colour(2)).save(tmp_path / f"{NAME}.png")
    dataset = open_dataset("pascal-context", tmp_path, "all")
    assert {dataset.class_names[index] for index in np.unique(dataset[0].label)} == {"bicycle"}


def test_where_nothing_tells_the_order_the_user_is_asked(
    tmp_path: Path, write_image: Write, write_label: Write
) -> None:
    write_image(tmp_path / "train/image" / f"{NAME}.jpg")
    write_label(tmp_path / "train/label" / f"{NAME}.png", 2)
    with pytest.raises(DataError, match=r"say pascal-context-59:order=sorted .* or pascal-context-59:order=original"):
        open_dataset("pascal-context", tmp_path)
    for order, name in (("sorted", "bag"), ("original", "bicycle")):
        dataset = open_dataset(f"pascal-context:order={order}", tmp_path)
        assert dataset.class_names[dataset[0].label[0, 0]] == name
        assert dataset.describe()["options"] == {"order": order}


def test_both_orders_are_the_published_permutation() -> None:
    published = (
        *(
            0,
            1,
            6,
            7,
            8,
            10,
            12,
            14,
            15,
            17,
            20,
            50,
            23,
            31,
            34,
            37,
            40,
            43,
            49,
            52,
            55,
            2,
            3,
            5,
            9,
            11,
            13,
            16,
            18,
            19,
        ),
        *(
            21,
            24,
            25,
            26,
            27,
            28,
            29,
            30,
            32,
            33,
            35,
            36,
            22,
            39,
            46,
            38,
            41,
            42,
            44,
            45,
            47,
            48,
            4,
            51,
            53,
            54,
            56,
            57,
        ),
        *(58, 59),
    )
    table = dict(id_table(60, "original").train_ids)
    assert tuple(table[index] for index in range(60)) == published


def test_mat_files_hold_category_ids(voc: Path, tmp_path: Path) -> None:
    ids = np.tile(np.array([2, 9, 458, 431, 1, 284, 284, 284], np.uint16), (6, 1))
    (tmp_path / "trainval").mkdir()
    savemat(tmp_path / "trainval" / f"{NAME}.mat", {"LabelMap": ids})
    dataset = open_dataset("pascal-context-60", tmp_path)
    names = [dataset.class_names[index] for index in dataset[0].label[0, :6]]
    assert names == ["aeroplane", "bag", "wood", "background", "background", "person"]
    assert open_dataset("pascal-context-59", tmp_path)[0].label[0, 3] == 255


def test_a_damaged_or_foreign_mat_file_is_named(voc: Path, tmp_path: Path) -> None:
    path = tmp_path / "trainval" / f"{NAME}.mat"
    path.parent.mkdir()
    savemat(path, {"LabelMap": np.full((6, 8), 460)})
    dataset = open_dataset("pascal-context", tmp_path)
    with pytest.raises(DataError, match=r"2008_000002.mat: label values 460 to 460 are outside the allowed 0\.\.459"):
        dataset[0]
    savemat(path, {"Other": np.ones((6, 8))})
    with pytest.raises(DataError, match="it has no variable LabelMap"):
        dataset[0]
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DataError, match=r"2008_000002.mat: it is not a readable .mat file"):
        dataset[0]


@pytest.fixture
def detail(voc: Path) -> Path:
    """A person over the lower half, then a dog over the last column, and a crowd of a category outside the 59."""
    segments = [
        (284, {"size": [6, 8], "counts": [n for _ in range(8) for n in (3, 3)]}),
        (113, {"size": [6, 8], "counts": [42, 6]}),
        (1, {"size": [6, 8], "counts": [0, 6, 42]}),
    ]
    content = {
        "images": [
            {"image_id": 2008000002, "file_name": f"{NAME}.jpg", "phase": "train", "height": 6, "width": 8},
            {"image_id": 2008000003, "file_name": "2008_000003.jpg", "phase": "val", "height": 6, "width": 8},
        ],
        "annos_segmentation": [
            {"image_id": 2008000002, "category_id": category, "iscrowd": category == 1, "segmentation": segment}
            for category, segment in segments
        ],
    }
    path = voc / "trainval_merged.json"
    path.write_text(json.dumps(content))
    return path


def test_later_segments_of_the_json_lie_on_top(detail: Path, tmp_path: Path) -> None:
    label = open_dataset("pascal-context-60", tmp_path)[0].label
    person, dog = (CLASS_NAMES.index(name) + 1 for name in ("person", "dog"))
    assert label[0].tolist() == [0, 0, 0, 0, 0, 0, 0, dog]
    assert label[5].tolist() == [0, person, person, person, person, person, person, dog]


def test_an_image_the_json_leaves_unlabelled_is_background(detail: Path, tmp_path: Path) -> None:
    assert (open_dataset("pascal-context-59", tmp_path, "val")[0].label == 255).all()


def test_damaged_segments_and_foreign_json_are_named(detail: Path, tmp_path: Path) -> None:
    detail.write_text(detail.read_text().replace("[42, 6]", '"42"'))
    with pytest.raises(DataError, match=r"trainval_merged.json: a segment of 2008_000002.jpg is damaged"):
        open_dataset("pascal-context", tmp_path)[0]
    detail.write_text('{"images": []}')
    with pytest.raises(DataError, match="it is not a PASCAL in Detail file"):
        open_dataset("pascal-context", tmp_path)
    detail.write_text('{"images"')
    with pytest.raises(DataError, match="it is not valid JSON"):
        open_dataset("pascal-context", tmp_path)


def test_an_image_the_json_names_but_is_missing_is_broken(detail: Path, tmp_path: Path) -> None:
    (detail.parent / "JPEGImages" / f"{NAME}.jpg").unlink()
    with pytest.raises(DataError, match=r"2008_000002.jpg: the annotation file names this image but it is missing"):
        open_dataset("pascal-context", tmp_path)


def test_a_missing_list_says_which(pngs: Path, tmp_path: Path) -> None:
    (pngs / "ImageSets/SegmentationContext/val.txt").unlink()
    with pytest.raises(DataError, match=r"it needs a list ImageSets/SegmentationContext/val.txt"):
        open_dataset("pascal-context", tmp_path, "val")
    assert len(open_dataset("pascal-context", tmp_path, "all")) == 2


def test_the_tables_name_fifty_nine_classes_once() -> None:
    assert len(set(IDS_OF_59)) == len(set(CLASS_NAMES)) == 59
    assert sorted(ORIGINAL_ORDER) == sorted(CLASS_NAMES)
    assert list(IDS_OF_59) == sorted(IDS_OF_59)


@pytest.mark.parametrize("classes", [59, 60])
def test_real_labels_agree_in_all_three_forms(real_data: Path, classes: int) -> None:
    root = real_data / "fixtures/pascal_context"
    forms = [open_dataset(f"pascal-context-{classes}:layout={form}", root, "all") for form in ("png", "mat", "json")]
    assert [len(form) for form in forms] == [9, 9, 9]
    for index in range(9):
        first, *others = (form[index].label for form in forms)
        assert all(np.array_equal(first, other) for other in others)


def test_the_ids_are_those_of_the_published_list_of_names(real_data: Path) -> None:
    lines = (real_data / "fixtures/pascal_context/labels.txt").read_text().splitlines()
    names = {int(number): name.replace(" ", "") for number, name in (line.split(":") for line in lines)}
    other = {"table": "diningtable", "bedclothes": "bedcloth", "cloth": "clothes"}
    for number, ours in zip(IDS_OF_59, CLASS_NAMES, strict=True):
        assert names[number].strip() in (ours, other.get(ours))


def test_real_coloured_labels_show_what_is_in_the_pictures(real_data: Path) -> None:
    dataset = open_dataset("pascal-context", real_data / "fixtures/pascal_context_orig59_colour", "all")
    seen = {
        sample.name: {dataset.class_names[index] for index in np.unique(sample.label) if index != 255}
        for sample in (dataset[index] for index in range(4))
    }
    assert {"bird", "water"} <= seen["2008_008376"]
    assert {"motorbike", "person"} <= seen["2009_000637"]
    assert {"bus", "road", "sky"} <= seen["2010_000682"]
    assert {"dog", "person"} <= seen["2010_003321"]


def test_the_103_real_pairs_are_divided_by_their_lists(real_data: Path) -> None:
    root = real_data / "pascal_context_103"
    assert [len(open_dataset("pascal-context", root, split)) for split in ("train", "val", "train+val")] == [
        69,
        34,
        103,
    ]
