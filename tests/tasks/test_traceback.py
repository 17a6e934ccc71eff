"""A traceback for a ledger: it tells where, and not on whose machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from segbench.tasks.traceback import publishable_traceback


def raised_by(code: str, file: str) -> str:
    try:
        exec(compile(code, file, "exec"), {"torch": torch})
    except Exception as error:
        return publishable_traceback(error)
    raise AssertionError("nothing was raised")


def test_the_end_names_the_error_and_the_lines_that_led_to_it() -> None:
    lines = raised_by("def f():\n    torch.nn.Linear(2, 3)(torch.ones(1, 5))\nf()", "/data/anna/net.py").splitlines()
    assert lines[-1].startswith("RuntimeError: mat1 and mat2 shapes")
    assert '  File "net.py", line 2, in f' in lines
    assert any(line.startswith('  File "torch/nn/modules/linear.py", line ') for line in lines)


def test_no_folder_of_this_machine_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "src")])
    text = raised_by(f"open({str(tmp_path / 'photos' / 'x.png')!r})", f"{tmp_path}/src/mine/net.py")
    assert '  File "mine/net.py", line 1' in text
    assert "'~/photos/x.png'" in text
    assert str(tmp_path) not in text


def test_what_it_was_raised_from_is_told_too() -> None:
    text = raised_by("try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('no a') from error", "/x/n.py")
    assert "KeyError: 'a'" in text and text.endswith("ValueError: no a")


def test_a_long_one_keeps_its_end_from_a_whole_line_on() -> None:
    text = raised_by("raise ValueError('\\n'.join(f'line {number}' for number in range(2000)))", "/x/n.py")
    lines = text.splitlines()
    assert len(text) < 4100
    assert lines[0] == "..." and lines[1].startswith("line ") and lines[-1] == "line 1999"
