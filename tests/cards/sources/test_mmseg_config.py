from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.sources.mmseg_config import read_config
from segbench.errors import CardError


def written(folder: Path, **files: str) -> Path:
    """Configs by name; the path of the last."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / f"{list(files)[-1]}.py"


@pytest.mark.parametrize(
    ("base", "own", "expected"),
    [
        ("a = dict(x=1, y=2)", "a = dict(y=3)", {"x": 1, "y": 3}),
        ("a = dict(x=1)", "a = dict(_delete_=True, y=3)", {"y": 3}),
        ("a = dict(x=1)", "a = 5", 5),
        ("a = [dict(x=1), dict(x=2)]", "a = {'1': dict(y=3)}", [{"x": 1}, {"x": 2, "y": 3}]),
        ("b = 1", "n = 2\na = dict(x=[n * i for i in range(3)], s=sum([1, 2]))", {"x": [0, 2, 4], "s": 3}),
    ],
)
def test_a_config_is_joined_with_what_it_inherits(tmp_path: Path, base: str, own: str, expected: object) -> None:
    path = written(tmp_path, base=base, own=f"_base_ = ['./base.py']\n{own}")
    assert read_config(path)["a"] == expected


@pytest.mark.parametrize(
    ("base", "own", "message"),
    [
        ("a = 1", "import os", "more than plain values"),
        ("a = 1", "a = ().__class__.__mro__", r"more than plain values \(SyntaxError: \(\)\.__class__"),
        ("a = 1", "while True: pass", "more than plain values"),
        ("a = 1", "a = dict(b=2)", "_delete_=True"),
        ("a = [1]", "a = {'1': 2}", "place 1 of a list of 1"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, base: str, own: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        read_config(written(tmp_path, base=base, own=f"_base_ = 'base.py'\n{own}"))
    with pytest.raises(CardError, match="cannot be read"):
        read_config(tmp_path / "missing.py")
