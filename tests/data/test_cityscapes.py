from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.data import open_dataset
from segbench.data.cityscapes import LABEL_IDS, to_label_ids, write_prediction
from segbench.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, write_image: Write, write_label: Write) -> Path:
    """Fine pairs in train, val and test; a coarse one in train_extra; one val label holds train ids only."""
    for part, tree, city in (
        ("train", "gtFine", "aachen"),
        ("val", "gtFine", "lindau"),
        ("test", "gtFine", "berlin"),
        ("train_extra", "gtCoarse", "bamberg"),
    ):
        stem = f"{city}_000000_000019"
        write_image(tmp_path / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png")
        write_label(tmp_path / tree / part / city / f"{stem}_{tree}_labelIds.png", 0, 7, 33, 30)
    write_image(tmp_path / "leftImg8bit/val/munster/munster_000001_000019_leftImg8bit.png")
    write_label(tmp_path / "gtFine/val/munster/munster_000001_000019_gtFine_labelTrainIds.png", 0, 18, 255, 255)
    return tmp_path


def test_label_ids_become_train_ids(root: Path) -> None:
    assert open_dataset("cityscapes", root)[0].label[0, ::2].tolist() == [255, 0, 18, 255]


def test_label_train_ids_are_read_where_only_they_were_kept(root: Path) -> None:
    dataset = open_dataset("cityscapes", root, "val")
    assert dataset.names == ("lindau_000000_000019", "munster_000001_000019")
    assert dataset[1].label[0, ::2].tolist() == [0, 18, 255, 255]


def test_coarse_labels_join_the_fine_ones(root: Path) -> None:
    dataset = open_dataset("cityscapes", root, "train+val+coarse")
    assert [name.split("_")[0] for name in dataset.names] == ["aachen", "lindau", "munster", "bamberg"]
    assert dataset[3].label[0, ::2].tolist() == [255, 0, 18, 255]


def test_the_test_split_may_lack_labels(root: Path) -> None:
    for path in (root / "gtFine/test").rglob("*.png"):
        path.unlink()
    assert (open_dataset("cityscapes", root, "test")[0].label == 255).all()


def test_an_image_without_label_and_a_label_without_image_are_named(root: Path) -> None:
    (root / "gtFine/val/lindau/lindau_000000_000019_gtFine_labelIds.png").unlink()
    (root / "leftImg8bit/val/munster/munster_000001_000019_leftImg8bit.png").unlink()
    with pytest.raises(
        DataError, match=r"lindau_000000_000019_leftImg8bit.png: its label in gtFine is missing \(and 1"
    ):
        open_dataset("cityscapes", root, "val")


def test_an_id_above_33_is_out_of_range(root: Path, write_label: Write) -> None:
    write_label(root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", 7, 34, 200)
    with pytest.raises(DataError, match=r"label values 34, 200 are outside the allowed 0\.\.33"):
        open_dataset("cityscapes", root)[0]


def test_an_instance_map_in_a_labels_place_is_told_by_its_values(root: Path, write_label: Write) -> None:
    write_label(root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", 7000, dtype="uint16")
    with pytest.raises(DataError, match=r"label values 7000 are outside the allowed 0\.\.33"):
        open_dataset("cityscapes", root)[0]


def test_labels_alone_can_be_read(root: Path) -> None:
    for path in (root / "leftImg8bit").rglob("*.png"):
        path.unlink()
    sample = open_dataset("cityscapes:images=no", root, "val")[0]
    assert sample.label[0, 2] == 0
    assert sample.image.shape == (6, 8, 3)


def test_predictions_are_written_as_label_ids(tmp_path: Path) -> None:
    train_ids = np.array([[0, 1, 18, 255]], np.uint8)
    path = write_prediction(tmp_path / "out", "berlin_000000_000019", train_ids)
    assert path.name.startswith("berlin_000000_000019")
    with Image.open(path) as written:
        assert np.asarray(written).tolist() == [[7, 8, 33, 0]]


def test_export_is_the_inverse_of_reading() -> None:
    assert to_label_ids(np.arange(19, dtype=np.uint8)).tolist() == list(LABEL_IDS)


def test_real_label_ids_agree_with_their_official_train_ids(real_data: Path) -> None:
    folder = real_data / "fixtures/cityscapes"
    official = folder / "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelTrainIds.png"
    ours = open_dataset("cityscapes", folder, "val")[0].label
    with Image.open(official) as image:
        theirs = np.asarray(image)
    # Both files of this pair were shrunk each for itself, so a few pixels at borders differ.
    assert np.mean(ours == theirs) > 0.99
    for train_id in np.unique(ours):
        assert np.bincount(theirs[ours == train_id]).argmax() == train_id


def test_fifteen_real_labels_read_without_images(real_data: Path) -> None:
    dataset = open_dataset("cityscapes:images=no", real_data / "fixtures/cityscapes_labels_only", "val")
    assert len(dataset) == 15
    assert set(np.unique(dataset[3].label)) <= {*range(19), 255}
