"""Every worked example of docs/extending.md, applied to a copy of the package and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- (?P<name>\w+): (?P<what>.*?) -->\n```\w*\n(?P<body>.*?)```", re.DOTALL)
MOST_FILES = 3


@dataclass(frozen=True)
class Block:
    """A piece of an example: a new file, lines for a file that is there, or a command with what it must show."""

    what: str
    body: str

    def apply(self, folder: Path) -> None:
        if self.what.startswith("new "):
            path = folder / self.what.removeprefix("new ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.body, encoding="utf-8")
        elif match := re.fullmatch(r"in (\S+), after: (.*)", self.what):
            _insert(folder / match[1], match[2], self.body)

    @property
    def file(self) -> str | None:
        match = re.match(r"(?:new|in) ([^\s,]+)", self.what)
        return match[1] if match else None


def _insert(path: Path, after: str, text: str) -> None:
    """Behind the statement that begins so: behind its line, or behind a signature's last one."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith(after))
    if after.startswith("def "):
        place = next(number for number in range(place, len(lines)) if lines[number].rstrip().endswith(":"))
    lines.insert(place + 1, text)
    path.write_text("".join(lines), encoding="utf-8")


def examples() -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for match in _BLOCK.finditer(TEXT):
        found.setdefault(match["name"], []).append(Block(match["what"], match["body"]))
    return found


EXAMPLES = examples()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package beside the catalogue, as in a checkout."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "segbench", tmp_path / "segbench", ignore=ignored)
    shutil.copytree(ROOT / "models", tmp_path / "models")
    return tmp_path


def test_there_is_an_example_of_each_door() -> None:
    assert list(EXAMPLES) == ["network", "dataset", "quantity", "task", "command", "gradient", "source", "executor"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_touches_few_files(name: str) -> None:
    assert 1 <= len({block.file for block in EXAMPLES[name]} - {None}) <= MOST_FILES


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_works(name: str, copy: Path) -> None:
    shown = 0
    for block in EXAMPLES[name]:
        block.apply(copy)
        if match := re.fullmatch(r"run, shows (.*)", block.what):
            assert match[1] in _output(block.body, copy)
            shown += 1
    assert shown


def _output(command: str, folder: Path) -> str:
    words = command.split()
    words[:1] = [sys.executable, "-m", "segbench"] if words[0] == "segbench" else [sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout
