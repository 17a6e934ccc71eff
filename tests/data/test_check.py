from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segbench.cards.datasets import DATASETS
from segbench.data.check import check_split, present_splits, repeated_names, some_samples
from segbench.data.contact_sheet import contact_sheet
from segbench.data.pictures import coloured, overlaid
from segbench.errors import DataError

Write = Callable[..., Path]

FIXTURES = [
    ("camvid", "camvid_segnet"),
    ("camvid", "camvid_original_SYNTHETIC"),
    ("camvid:grouping=strict", "camvid_original_SYNTHETIC"),
    ("cityscapes", "cityscapes"),
    ("cityscapes:images=no", "cityscapes_labels_only"),
    ("lip", "lip"),
    ("ade20k", "ade20k"),
    *((f"pascal-context-{classes}:layout={form}", "pascal_context")
      for classes in (59, 60) for form in ("png", "mat", "json")),
    ("pascal-context-59", "pascal_context_orig59_colour"),
    ("pascal-context-60", "../pascal_context_103"),
]  # fmt: skip


def test_counts_sizes_and_histogram_are_known(camvid: Path) -> None:
    train, val = (check_split(dataset, 367) for dataset in present_splits("camvid", camvid))
    assert (train.split, train.images, train.expected, train.layout) == ("train", 3, 367, "segnet")
    assert train.sizes == {"8x6": 3}
    # Columns of each label: 3 of class 0, 3 of class 0, 1 or 2, 2 of void; six rows.
    assert train.class_pixels[:3] == (6 * (3 + 3 + 3 + 3), 18, 18)
    assert train.class_images[:3] == (3, 1, 1)
    assert train.ignored_pixels == 3 * 6 * 2
    assert train.passed
    assert val.images == 1


def test_missing_and_broken_files_are_all_named(camvid: Path, write_label: Write) -> None:
    (camvid / "train/a.png").unlink()
    write_label(camvid / "trainannot/b.png", 50)
    (dataset,) = present_splits("camvid", camvid, ["train"])
    check = check_split(dataset)
    assert not check.passed
    assert check.images == 1
    assert {item.name: item.reason.split(" ")[0] for item in check.broken} == {"a": "the", "b": "label"}
    assert check.to_json()["broken"][0]["path"] == str(camvid / "train/a.png")


def test_progress_is_heard(camvid: Path) -> None:
    heard: list[tuple[int, int]] = []
    check_split(present_splits("camvid", camvid, ["val"])[0], progress=lambda *step: heard.append(step))
    assert heard == [(1, 1)]


def test_only_splits_that_are_there_are_looked_at(camvid: Path) -> None:
    assert [dataset.split for dataset in present_splits("camvid", camvid)] == ["train", "val"]
    with pytest.raises(DataError, match="split 'test' is not in"):
        present_splits("camvid", camvid, ["test"])


def test_images_in_two_splits_are_noticed(camvid: Path) -> None:
    (camvid / "val.txt").write_text("x/v.png y\nx/v.png y\n")
    for folder in ("train", "trainannot"):
        (camvid / folder / "v.png").write_bytes((camvid / folder.replace("train", "val") / "v.png").read_bytes())
    (camvid / "train.txt").write_text("x/a.png y\nx/v.png y\n")
    assert repeated_names(present_splits("camvid", camvid)) == [
        "val lists 1 images more than once",
        "train and val share 1 images, v for one",
    ]


def test_the_drawn_set_is_checked_like_any_other() -> None:
    (dataset,) = present_splits("synthetic:size=32x24,count=4", None, ["val"])
    assert check_split(dataset).sizes == {"32x24": 4}


def test_a_contact_sheet_shows_samples_and_every_class(camvid: Path) -> None:
    datasets = present_splits("camvid", camvid)
    samples = some_samples(datasets, 8)
    assert [sample.name for sample in samples] == ["a", "b", "c", "v"]
    page = np.asarray(contact_sheet(DATASETS["camvid"], samples, "CamVid"))
    shown = {tuple(colour) for colour in np.unique(page.reshape(-1, 3), axis=0).tolist()}
    assert set(DATASETS["camvid"].palette) <= shown


def test_samples_are_taken_from_all_over(camvid: Path) -> None:
    assert [sample.name for sample in some_samples(present_splits("camvid", camvid), 2)] == ["a", "c"]


def test_ignored_pixels_show_the_image() -> None:
    image, label = np.full((1, 2, 3), 100, np.uint8), np.array([[1, 255]], np.uint8)
    palette = ((0, 0, 0), (200, 0, 0))
    assert coloured(label, palette)[0].tolist() == [[200, 0, 0], [0, 0, 0]]
    assert overlaid(image, label, palette)[0].tolist() == [[155, 45, 45], [100, 100, 100]]


@pytest.mark.parametrize(("name", "folder"), FIXTURES)
def test_every_real_fixture_passes(real_data: Path, name: str, folder: str) -> None:
    datasets = present_splits(name, real_data / "fixtures" / folder)
    assert all(check_split(dataset).passed for dataset in datasets)
    assert not repeated_names(datasets)


def test_the_real_camvid_passes_with_its_known_shares(real_data: Path) -> None:
    train, val = (check_split(dataset) for dataset in present_splits("camvid", real_data))
    assert (train.images, val.images) == (367, 101)
    assert train.passed
    assert val.passed
    for check, road, void in ((train, 31.66, 3.95), (val, 28.95, 1.70)):
        whole = sum(check.class_pixels) + check.ignored_pixels
        assert 100 * check.class_pixels[3] / whole == pytest.approx(road, abs=0.01)
        assert 100 * check.ignored_pixels / whole == pytest.approx(void, abs=0.01)
