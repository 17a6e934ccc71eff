from __future__ import annotations

from pathlib import Path

import pytest

from segbench.data.patterns import find_by_patterns

FILES = (
    "train/aachen/a_left.png",
    "train/bremen/a_left.png",
    "train/a.jpg",
    "train/b.JPG",
    "train/b.c.jpg",
    "train/deep/er/d.jpg",
    "train/.hidden.jpg",
    "train/.git/e.jpg",
    "train/a.jpg.txt",
    "x+(1)/f.png",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "keys"),
    [
        (["train/*.jpg"], {"a", "b", "b.c"}),
        (["train/**/*.jpg"], {"a", "b", "b.c", "deep/er/d"}),
        (["train/*/*_left.png"], {"aachen/a", "bremen/a"}),
        (["**/*_left.png"], {"train/aachen/a", "train/bremen/a"}),
        (["train\\*.JPG"], {"a", "b", "b.c"}),
        (["x+(1)/*.png"], {"f"}),
        (["nowhere/*.png"], set()),
    ],
)
def test_wildcards_give_the_names(root: Path, patterns: list[str], keys: set[str]) -> None:
    assert set(find_by_patterns(root, patterns)) == keys


def test_files_of_one_name_stand_together_and_none_twice(root: Path) -> None:
    (root / "train/a.png").write_text("")
    found = find_by_patterns(root, ["train/*.jpg", "train/*.png", "train/*.jp*g", "train/*.jpg"])
    assert [path.name for path in found["a"]] == ["a.jpg", "a.png"]
