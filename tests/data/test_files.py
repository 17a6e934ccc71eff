"""What happens when files of a data set are not as they should be."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from segbench.data import BrokenFile, Sample, open_dataset
from segbench.data.files import without_broken
from segbench.data.images import read_image, read_indices, resized
from segbench.data.opening import find_source
from segbench.errors import DataError

Write = Callable[..., Path]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _scribble(path: Path) -> None:
    path.write_text("<html>404</html>")


def _hide(path: Path) -> None:
    path.unlink()


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = {
    "truncated": (_truncate, "it cannot be decoded, it is damaged or truncated"),
    "empty": (_empty, "it is empty"),
    "text": (_scribble, "it is not an image file"),
    "gone since": (_hide, "there is no such file"),
    "a folder": (_make_folder, "it cannot be decoded"),
}


@pytest.mark.parametrize("where", ["train/b.png", "trainannot/b.png"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_with_path_and_reason(camvid: Path, where: str, damage: str) -> None:
    dataset = open_dataset("camvid", camvid)
    harm, reason = DAMAGE[damage]
    harm(camvid / where)
    with pytest.raises(BrokenFile) as caught:
        dataset[1]
    assert caught.value.path == str(camvid / where)
    assert reason in caught.value.reason
    assert dataset[0].name == "a"


def test_a_label_of_another_size_than_its_image_is_named(camvid: Path, write_label: Write) -> None:
    write_label(camvid / "trainannot/b.png", 1, size=(8, 5))
    with pytest.raises(DataError, match=r"trainannot/b.png: the label is 8x5 but its image .*train/b.png is 8x6"):
        open_dataset("camvid", camvid)[1]


def test_a_label_outside_the_range_names_the_values(camvid: Path, write_label: Write) -> None:
    write_label(camvid / "trainannot/b.png", 3, 11, 12, 200)
    with pytest.raises(DataError, match=r"trainannot/b.png: label values 12, 200 are outside the allowed 0\.\.11"):
        open_dataset("camvid", camvid)[1]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_coloured_label_in_an_index_labels_place_is_named(camvid: Path, write_image: Write, mode: str) -> None:
    write_image(camvid / "trainannot/b.png", mode=mode, colour=(1, 2, 1))
    with pytest.raises(DataError, match=r"b.png: it is coloured; a label must have one channel of class ids"):
        open_dataset("camvid", camvid)[1]


def test_a_label_of_fractions_is_named(camvid: Path) -> None:
    Image.new("F", (8, 6), 0.5).save(camvid / "trainannot/b.png", format="tiff")
    with pytest.raises(DataError, match=r"b.png: mode F; a label must have one channel of class ids"):
        open_dataset("camvid", camvid)[1]


def test_a_palette_label_is_read_by_its_indices(camvid: Path) -> None:
    label = Image.new("P", (8, 6), 4)
    label.putpalette([9, 9, 9] * 256)
    label.save(camvid / "trainannot/b.png")
    assert (open_dataset("camvid", camvid)[1].label == 4).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_images_of_any_8_bit_mode_become_rgb(tmp_path: Path, write_image: Write, mode: str) -> None:
    ending = "jpg" if mode == "CMYK" else "png"
    assert read_image(write_image(tmp_path / f"x.{ending}", mode=mode, colour=None)).shape == (6, 8, 3)


def test_a_16_bit_image_is_refused(tmp_path: Path, write_label: Write) -> None:
    with pytest.raises(DataError, match=r"mode I;16; an image must be 8 bit"):
        read_image(write_label(tmp_path / "x.png", 9, dtype="uint16"))


def test_samples_may_be_written_to(camvid: Path) -> None:
    sample = open_dataset("camvid", camvid)[0]
    sample.image[:], sample.label[:] = 0, 0


def test_a_listed_file_that_is_missing_stops_the_opening_and_counts_the_others(camvid: Path) -> None:
    (camvid / "train/a.png").unlink()
    (camvid / "trainannot/c.png").unlink()
    with pytest.raises(DataError, match=r"train/a.png: the image is in the list but not here \(and 1 more\); repair"):
        open_dataset("camvid", camvid)


def test_broken_files_can_be_left_out_and_are_counted(camvid: Path, write_label: Write) -> None:
    (camvid / "train/a.png").unlink()
    write_label(camvid / "trainannot/c.png", 77)
    dataset = open_dataset("camvid", camvid, skip_broken=True)
    assert dataset.names == ("b",)
    assert [(item.name, Path(item.path).name) for item in dataset.broken] == [("a", "a.png"), ("c", "c.png")]
    assert dataset.describe()["broken"] == 2


def test_a_split_of_broken_files_only_is_refused(camvid: Path) -> None:
    _scribble(camvid / "val/v.png")
    with pytest.raises(DataError, match=r"split val: not one usable image \(1 broken\)"):
        open_dataset("camvid", camvid, "val", skip_broken=True)


def test_looking_for_broken_files_reports_progress(camvid: Path) -> None:
    dataset = open_dataset("camvid", camvid)
    source = find_source(dataset.card, camvid, "train", {"layout": "auto", "grouping": "grouped"})  # type: ignore[attr-defined]
    heard: list[tuple[int, int]] = []
    without_broken(source, lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_a_broken_file_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(BrokenFile("a/b.png", "it is empty")))
    assert (error.path, error.reason, str(error)) == ("a/b.png", "it is empty", "a/b.png: it is empty")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2000), value=st.integers(0, 255), cut=st.integers(0, 400))
def test_no_damage_ends_in_anything_but_a_broken_file(tmp_path: Path, place: int, value: int, cut: int) -> None:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (24, 24), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data[: len(data) - cut % len(data)])
    try:
        assert read_indices(path).dtype == np.uint8
    except BrokenFile as error:
        assert error.path == str(path)


def test_labels_are_never_mixed_when_resized() -> None:
    label = np.array([[0, 10], [255, 3]], np.uint8)
    large = resized(Sample(np.zeros((2, 2, 3), np.uint8), label, "x"), (7, 5))
    assert large.image.shape == (5, 7, 3)
    assert set(np.unique(large.label)) == {0, 3, 10, 255}
