"""List files as people write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.data import open_dataset
from segbench.data.listing import stem
from segbench.data.lists import columns, named, read_lines
from segbench.errors import DataError

Write = Callable[..., Path]

KNOWN = ("a", "val 001", "val", "x.y", "caf\udce9", "#1", "b c")


def _key(written: str) -> str | None:
    return stem(written) if stem(written) in KNOWN else None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("a", "a"),
        ("a.png", "a"),
        ("A/a.PNG b/a.PNG", "a"),
        ("/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png", "a"),
        ("val/val 001.png valannot/val 001.png", "val 001"),
        ("/home/my data/val/a.png /home/my data/valannot/a.png", "a"),
        ("/set.png files/a.png b.png", "a"),
        ("'val/val 001.png' 'valannot/val 001.png'", "val 001"),
        ('"val/val 001.png"\t"valannot/val 001.png"', "val 001"),
        ("val/val 001.png\tvalannot/val 001.png", "val 001"),
        ("val/val\\ 001.png valannot/val\\ 001.png", "val 001"),
        ("C:\\my data\\val\\val 001.png C:\\my data\\valannot\\val 001.png", "val 001"),
        ("val/a.png,valannot/a.png", "a"),
        ("val/a.png; valannot/a.png", "a"),
        ("val 001", "val 001"),
        ("val 002", "val"),
        ("a  -1", "a"),
        ("x.y", "x.y"),
        ("caf\udce9.png", "caf\udce9"),
        ("a.png  # dark", "a"),
        ("#1.png", "#1"),
        ("b c 1", "b c"),
        ("unknown/p q.png r.png", "p q"),
        ("nobody 1", "nobody"),
    ],
)
def test_a_line_means_the_sample_in_its_first_column(line: str, name: str) -> None:
    assert [stem(found) for found in named([line], _key)] == [name]


def test_comments_are_left_out() -> None:
    assert named(["# a list of mine", "a", "#b"], _key) == ["a"]


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("i/a.png l/a.png", ["i/a.png", "l/a.png"]),
        ("i/my a.png l/my a.png", ["i/my a.png", "l/my a.png"]),
        ('"i/my a.png" l/a.png', ["i/my a.png", "l/a.png"]),
        ("i/my a.png\tl/my a.png", ["i/my a.png", "l/my a.png"]),
        ("i\\a.png,l\\a.png", ["i/a.png", "l/a.png"]),
        ("i/gone.png l/a.png", ["i/gone.png", "l/a.png"]),
        ("# comment", []),
    ],
)
def test_all_columns_are_read(line: str, paths: list[str]) -> None:
    there = {"i/a.png", "l/a.png", "i/my a.png", "l/my a.png"}
    assert columns(line, lambda written: written if written in there else None) == paths


@pytest.mark.parametrize(
    "data",
    [
        "a é\r\n\r\n  b\r".encode("utf-8-sig"),
        "a é\nb\n".encode("utf-16"),
        "\ufeffa é\nb\n".encode("utf-16-be"),
        "a é\nb".encode("utf-16-le"),
        "a é\nb".encode("utf-16-be"),
    ],
)
def test_encodings_and_line_ends_are_told_apart(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    assert read_lines(tmp_path / "list.txt") == ["a é", "b"]


def test_bytes_of_another_encoding_are_read_like_file_names(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.png\n")
    assert read_lines(tmp_path / "list.txt") == ["caf\udce9.png"]


@pytest.mark.parametrize("data", [b"ab\0\0\0\1", b"\xff\xfea"])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(DataError, match=r"list.txt"):
        read_lines(tmp_path / "list.txt")


def test_camvid_with_blanks_in_names_and_folders_is_found(camvid: Path, write_image: Write, write_label: Write) -> None:
    write_image(camvid / "val/val 001.png")
    write_label(camvid / "valannot/val 001.png", 1)
    lines = ("val/val 001.png valannot/val 001.png", "/home/my data/val/v.png /home/my data/valannot/v.png")
    (camvid / "val.txt").write_text("\n".join(lines))
    assert open_dataset("camvid", camvid, "val").names == ("val 001", "v")
