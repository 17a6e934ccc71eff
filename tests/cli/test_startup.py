"""The command's own process never imports torch: that is what lets --help answer at once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
import typer
from typer.testing import CliRunner

from segbench.cli.main import app


@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["models", "segnode"], ["memory", "--help"], ["doctor"], ["datasets"]]
)
def test_torch_is_not_imported(arguments: list[str], tmp_path: object) -> None:
    program = (
        "import sys; from segbench.cli.main import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=str(tmp_path)
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout


def commands(group: click.Command) -> Iterator[click.Command]:
    for command in getattr(group, "commands", {}).values():
        yield command
        yield from commands(command)


def test_square_brackets_in_help_are_text_and_not_markup() -> None:
    found = [
        f"{command.name} {item.name}: {text}"
        for command in commands(typer.main.get_command(app))
        for item in command.params
        if re.search(r"(?<!\\)\[[a-z]", text := getattr(item, "help", None) or "")
    ]
    assert found == []
    shown = CliRunner().invoke(app, ["memory", "--help"], env={"COLUMNS": "200"}).stdout
    assert "[default: 24; 1 on the CPU]" in shown


@pytest.mark.parametrize("arguments", [["models", "--format", "csv"], ["datasets", "--format", "json"]])
def test_tables_without_rows_have_no_format_for_programs(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert "choose table or markdown" in str(result.exception)
