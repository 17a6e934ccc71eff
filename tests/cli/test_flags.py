"""Groups of flags: unfolded into one flat signature, folded again into the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer import Option
from typer.testing import CliRunner

from segbench.cli.flags import Group, flags
from segbench.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Size(Group):
    panel: ClassVar[str] = "How large"

    width: Annotated[int, Option("--width", help="In pixels.", min=1)] = 480
    scale: Annotated[float, Option("--scale", help="A factor.")] = 1.0
    place: Annotated[str | None, Option("--place", help="Anywhere.")] = None


@flags(without=("place",), width=64)
def show(name: Annotated[str, typer.Argument()], size: Size, loud: Annotated[bool, Option("--loud")] = False) -> None:
    """Shows what it was given."""
    typer.echo(f"{name} {size} {loud}")


def run(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(show)
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "120"})
    if isinstance(result.exception, UserError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_a_group_is_folded_again_with_the_commands_own_defaults() -> None:
    assert run("a") == (0, "a Size(width=64, scale=1.0, place=None) False\n")
    assert run("a", "--width", "8", "--loud") == (0, "a Size(width=8, scale=1.0, place=None) True\n")


def test_a_flag_that_a_command_leaves_out_does_not_exist() -> None:
    assert run("a", "--place", "x")[0] == 2


def test_a_group_has_a_panel_in_the_help() -> None:
    text = run("--help")[1]
    assert "How large" in text and "--width" in text and "Shows what it was given." in text


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_refused_with_a_sentence(value: str) -> None:
    assert run("a", "--scale", value) == (2, f"--scale {value} is not a finite number; give another value")


def test_a_name_that_no_group_has_is_found_out_at_once() -> None:
    with pytest.raises(TypeError, match="no flag widht"):
        flags(widht=3)(show)
