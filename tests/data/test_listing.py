"""Which files of a folder are samples."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.data import open_dataset
from segbench.data.check import check_split, present_splits
from segbench.data.listing import stem
from segbench.errors import DataError

Write = Callable[..., Path]

LATIN_1 = os.fsdecode(b"caf\xe9\n.png")


def test_hidden_files_are_no_samples(camvid: Path) -> None:
    (camvid / "train.txt").unlink()
    for name in ("train/._a.png", "trainannot/._a.png", "train/.DS_Store"):
        (camvid / name).write_bytes(b"\0\5\x16\7")
    assert open_dataset("camvid", camvid).names == ("a", "b", "c")


def test_endings_of_either_case_are_known(camvid: Path) -> None:
    for folder in ("train", "trainannot"):
        (camvid / folder / "a.png").rename(camvid / folder / "a.PNG")
    dataset = open_dataset("camvid", camvid)
    assert dataset.names == ("a", "b", "c")
    assert dataset[0].label.shape == (6, 8)
    assert stem("x/A.JpEg") == "A"


def test_two_files_of_one_name_are_refused_not_chosen_from(camvid: Path, write_image: Write) -> None:
    write_image(camvid / "train/b.jpg")
    with pytest.raises(DataError, match=r"train/b.jpg: b.png has the same name; remove one of them"):
        open_dataset("camvid", camvid)
    assert open_dataset("camvid", camvid, skip_broken=True).names == ("a", "c")


def test_two_labels_of_one_name_are_refused(camvid: Path, write_label: Write) -> None:
    write_label(camvid / "trainannot/b.PNG", 1)
    with pytest.raises(DataError, match=r"trainannot/b.PNG: b.png has the same name"):
        open_dataset("camvid", camvid)


def test_a_name_that_is_not_utf8_is_written_escaped_everywhere(camvid: Path) -> None:
    (camvid / "train.txt").unlink()
    for folder in ("train", "trainannot"):
        (camvid / folder / "b.png").rename(camvid / folder / LATIN_1)
    dataset = open_dataset("camvid", camvid)
    assert dataset.names == ("a", "c", "caf\\xe9\\x0a")
    assert dataset[2].label.shape == (6, 8)
    (camvid / "train" / LATIN_1).write_bytes(b"")
    (found,) = check_split(present_splits("camvid", camvid, ["train"])[0]).broken
    assert (found.name, found.reason) == ("caf\\xe9\\x0a", "it is empty")
    str(found).encode("utf-8")
    with pytest.raises(DataError, match=r"caf\\xe9\\x0a.png: it is empty") as caught:
        dataset[2]
    str(caught.value).encode("utf-8")
