from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.data import open_dataset

Change = Callable[[Path], object]


def _fingerprint(root: Path, split: str = "train") -> str:
    return open_dataset("camvid", root, split).fingerprint


def test_it_is_the_same_wherever_the_files_lie(camvid: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(camvid, tmp_path / "elsewhere" / "camvid")
    assert _fingerprint(camvid) == _fingerprint(copy)


def test_a_new_date_changes_nothing_but_the_stamp(camvid: Path) -> None:
    before = open_dataset("camvid", camvid)
    first = before.fingerprint, before.stamp  # type: ignore[attr-defined]
    (camvid / "train/a.png").touch()
    after = open_dataset("camvid", camvid)
    assert after.fingerprint == first[0]
    assert after.stamp != first[1]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "train.txt").write_text("x/a.png x\nx/b.png x\n"),
        lambda root: (root / "train.txt").write_text("x/b.png x\nx/a.png x\nx/c.png x\n"),
        lambda root: shutil.copy(root / "train/a.png", root / "train/b.png"),
        lambda root: shutil.copy(root / "trainannot/a.png", root / "trainannot/b.png"),
    ],
    ids=["one less", "another order", "another image", "another label"],
)
def test_it_changes_with_list_and_content(camvid: Path, change: Change) -> None:
    before = _fingerprint(camvid)
    change(camvid)
    assert _fingerprint(camvid) != before


def test_splits_differ(camvid: Path) -> None:
    assert len({_fingerprint(camvid, split) for split in ("train", "val", "train+val")}) == 3


def test_it_is_short_and_describes_no_path(camvid: Path) -> None:
    facts = open_dataset("camvid", camvid).describe()
    assert len(facts["fingerprint"]) == 12
    assert str(camvid) not in str(facts)
