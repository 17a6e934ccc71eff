from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.data import open_dataset
from segbench.data.camvid import segnet_part
from segbench.errors import DataError, UnknownName


def test_lists_with_the_authors_prefix_are_read(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid)
    assert dataset.names == ("a", "b", "c")
    sample = dataset[1]
    assert sample.image.shape == (6, 8, 3)
    assert sample.image.dtype == sample.label.dtype == np.uint8
    assert sample.image[0, 0].tolist() == [1, 50, 100]


def test_void_becomes_255(camvid: Path) -> None:
    assert np.unique(open_dataset("camvid", camvid)[2].label).tolist() == [0, 2, 255]


def test_splits_are_joined_in_the_order_said(camvid: Path) -> None:
    assert open_dataset("camvid", camvid, "val+train").names == ("v", "a", "b", "c")


def test_the_order_of_the_list_is_kept(camvid: Path) -> None:
    listed = camvid / "train.txt"
    listed.write_text("\n".join(reversed(listed.read_text().splitlines())))
    assert open_dataset("camvid", camvid).names == ("c", "b", "a")


def test_without_a_list_the_folders_are_read(camvid: Path) -> None:
    (camvid / "train.txt").unlink()
    assert open_dataset("camvid", camvid).names == ("a", "b", "c")


def test_a_list_with_windows_line_ends_and_blank_lines_is_read(camvid: Path) -> None:
    (camvid / "train.txt").write_bytes(b"\xef\xbb\xbf/SegNet/CamVid/train/a.png x.png\r\n\r\n")
    assert open_dataset("camvid", camvid).names == ("a",)


def test_a_split_that_is_not_there_says_what_it_needs(camvid: Path) -> None:
    with pytest.raises(DataError, match=r"split 'test' is not in .*it needs test.txt, test/ and testannot/"):
        open_dataset("camvid", camvid, "test")


def test_an_unknown_split_names_the_known(camvid: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean train"):
        open_dataset("camvid", camvid, "training")


@pytest.fixture
def original(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """One frame of each part in the original layout: sky, wall, traffic light and animal from left to right."""
    colours = np.array([(128, 128, 128), (64, 192, 0), (0, 64, 64), (64, 128, 64)], np.uint8)
    label = np.tile(colours.repeat(2, 0), (6, 1, 1))
    for name in ("0016E5_07959", "0016E5_07920", "Seq05VD_f02610", "0001TP_008550"):
        write_image(tmp_path / "701_StillsRaw_full" / f"{name}.png")
        target = tmp_path / "LabeledApproved_full" / f"{name}_L.png"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray(label).save(target)
    return tmp_path


def test_the_original_colours_are_grouped_or_kept_strict(original: Path) -> None:
    grouped = open_dataset("camvid", original, "val")
    strict = open_dataset("camvid:grouping=strict", original, "val")
    assert grouped[0].label[0, ::2].tolist() == [0, 1, 6, 9]
    assert strict[0].label[0, ::2].tolist() == [0, 255, 255, 255]
    assert grouped.fingerprint != strict.fingerprint
    assert grouped.describe()["options"] == {"grouping": "grouped"}


def test_original_frames_fall_into_segnets_split_by_their_names(original: Path) -> None:
    assert open_dataset("camvid", original, "train").names == ("0016E5_07920",)
    assert open_dataset("camvid", original, "test").names == ("0001TP_008550", "Seq05VD_f02610")


def test_lists_beside_the_original_frames_take_precedence(original: Path) -> None:
    (original / "train.txt").write_text("Seq05VD_f02610\n")
    assert open_dataset("camvid", original, "train").names == ("Seq05VD_f02610",)


def test_a_colour_of_no_class_is_named(original: Path) -> None:
    path = original / "LabeledApproved_full" / "0016E5_07959_L.png"
    Image.new("RGB", (8, 6), (1, 2, 3)).save(path)
    with pytest.raises(DataError, match=r"0016E5_07959_L.png: colours \(1, 2, 3\) stand for no class"):
        open_dataset("camvid", original, "val")[0]


def test_a_frame_of_another_set_has_no_split() -> None:
    with pytest.raises(DataError, match="not the name of a CamVid frame"):
        segnet_part("aachen_000000_000019")


def test_the_rule_of_names_reproduces_the_real_lists(real_data: Path) -> None:
    for part, count in {"train": 367, "val": 101}.items():
        names = open_dataset("camvid", real_data, part).names
        assert len(names) == count
        assert {segnet_part(name) for name in names} == {part}


def test_the_real_labels_have_the_known_shares(real_data: Path) -> None:
    dataset = open_dataset("camvid", real_data, "val")
    counts = sum(np.bincount(dataset[index].label.ravel(), minlength=256) for index in range(0, 101, 10))
    assert 0.2 < counts[3] / counts.sum() < 0.35  # road
    assert counts[11:255].sum() == 0


def test_enlarged_recoloured_real_labels_read_like_their_origin(real_data: Path) -> None:
    fixtures = real_data / "fixtures"
    large = open_dataset("camvid", fixtures / "camvid_original_SYNTHETIC", "val")[0].label
    small = open_dataset("camvid", fixtures / "camvid_segnet", "val")[0].label
    assert large.shape == (720, 960)
    assert np.array_equal(large[::2, ::2], small)
