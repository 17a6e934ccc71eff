"""A command is imported when it is called, and its process never imports torch: --help answers at once."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from segbench.cli.main import COMMANDS, Listed, app

HEAVY = {"torch", "pandas", "matplotlib", "scipy", "numpy"}
EVERY = pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY | {"segbench.cli.memory"}),
        (["--version"], HEAVY | {"segbench.cli.memory"}),
        (["models"], HEAVY),
        (["models", "segnode"], HEAVY),
        (["doctor"], HEAVY),
        (["datasets"], HEAVY),
        (["memory", "--help"], HEAVY),
    ],
)
def test_nothing_heavy_is_imported(arguments: list[str], heavy: set[str], tmp_path: object) -> None:
    program = (
        "import sys; from segbench.cli.main import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: code = end.code\n"
        f"found = {heavy!r} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else code)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=str(tmp_path)
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout


@EVERY
def test_every_line_of_the_help_has_a_command_behind_it(entry: Listed) -> None:
    assert entry.load().help


def parts(command: Any) -> Iterator[Any]:
    """A command, or those of a group."""
    yield command
    yield from getattr(command, "commands", {}).values()


@EVERY
def test_square_brackets_in_help_are_text_and_not_markup(entry: Listed) -> None:
    texts = [getattr(item, "help", None) or "" for part in parts(entry.load()) for item in part.params]
    assert [text for text in texts if re.search(r"(?<!\\)\[[a-z]", text)] == []


def test_defaults_in_words_are_shown() -> None:
    shown = CliRunner().invoke(app, ["memory", "--help"], env={"COLUMNS": "200"}).stdout
    assert "[default: 24; 1 on the CPU]" in shown


def test_flags_stand_in_panels() -> None:
    shown = CliRunner().invoke(app, ["latency", "--help"], env={"COLUMNS": "120"}).stdout
    for panel in ("Network", "Conditions", "Images", "Timing", "Run", "Output"):
        assert f"─ {panel} ─" in shown


@EVERY
def test_no_signature_written_by_hand_has_fifteen_parameters(entry: Listed) -> None:
    module = sys.modules[f"segbench.cli.{entry.attribute}"] if entry.load() else None
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == getattr(module, "__name__", ""):
            code = getattr(function, "__code__", None)
            assert code is None or code.co_argcount + code.co_kwonlyargcount < 15, name


@pytest.mark.parametrize("arguments", [["models", "--format", "csv"], ["datasets", "--format", "json"]])
def test_tables_without_rows_have_no_format_for_programs(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert "choose table or markdown" in str(result.exception)
