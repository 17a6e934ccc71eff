"""The command as a process: its streams, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segbench.records.ledger import Ledger

SEGBENCH = (sys.executable, "-m", "segbench")


def called(*words: str, **settings: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SEGBENCH, *words], capture_output=True, check=False, **settings)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("words", [("models",), ("models", "--help"), ("models", "--format", "markdown")])
def test_a_reader_that_has_had_enough_is_no_failure(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run([*SEGBENCH, *words], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (child.returncode, child.stderr) == (0, b"")


def test_a_full_device_is_one_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with full.open("wb") as file:
        child = subprocess.run([*SEGBENCH, "models"], stdout=file, stderr=subprocess.PIPE, check=False)
    assert child.returncode == 1
    assert child.stderr.decode().startswith("segbench: the output cannot be written: No space left") and (
        b"Traceback" not in child.stderr
    )


def test_a_closed_output_is_no_failure() -> None:
    child = subprocess.run(["sh", "-c", 'exec "$0" -m segbench models >&-', sys.executable], check=False)
    assert child.returncode == 0


@pytest.mark.parametrize("columns", ["abc", "0", "-5", "9" * 30])
def test_a_width_that_is_none_is_passed_over(columns: str) -> None:
    child = called("models", env={**os.environ, "COLUMNS": columns})
    assert child.returncode == 0 and "segnode" in child.stdout.decode()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_what_an_output_cannot_show_is_escaped(encoding: str, tmp_path: Path) -> None:
    name = os.fsdecode("d\u00e9jà-\u4e2d-\udce9".encode(errors="surrogateescape"))
    child = called("params", "-m", f"{name}.py:Net", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert child.returncode == 2 and b"Traceback" not in child.stderr
    shown = called("models", env={**os.environ, "PYTHONIOENCODING": encoding})
    assert shown.returncode == 0 and b"segnode" in shown.stdout


def test_a_network_in_a_file_of_any_name_is_measured_and_every_command_after_it_works(tmp_path: Path) -> None:
    text = "from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self, classes):\n"
    text += "        super().__init__(3, classes, 1)\n"
    for name in ("n\udce9t.py", "a\nb\x1b[31m.py", "x" * 240 + ".py"):
        (tmp_path / name).write_text(text)
        child = called(
            "params", "-m", f"{name}:Net", "--no-crosscheck", "--export-csv", "a.csv", "--export-json", "a.json",
            "--export-markdown", "a.md", cwd=tmp_path,
        )  # fmt: skip
        assert child.returncode == 0, child.stderr.decode(errors="replace")
    models = [entry.model for entry in Ledger(tmp_path / "segbench-runs").entries()]
    assert models[:2] == ["n\\xe9t.py:Net", "a\\x0ab\\x1b[31m.py:Net"] and len(models[2]) <= 120
    for words in (["ledger", "list"], ["ledger", "show", models[0]], ["report", "segbench-runs", "-o", "page"]):
        after = called(*words, cwd=tmp_path)
        assert after.returncode == 0, after.stderr.decode(errors="replace")
