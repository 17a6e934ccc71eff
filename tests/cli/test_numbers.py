"""Numbers that no flag means: every numeric option of every command refuses them, before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import pytest
from typer.testing import Result

from segbench.cli.main import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]

NEVER_FLOATS = ("nan", "inf", "-inf", "1e400", "-1", "1e39")
NEVER_INTS = ("nan", "inf", "-inf", "1e400", "-1", "0.5", str(9**40))


def commands_of(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, command) of every command below."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands_of(inner, (*path, name))
    if not getattr(command, "commands", None):
        yield path, command


COMMAND_LINES = {
    " ".join(path): command for entry in COMMANDS for path, command in commands_of(entry.load(), (entry.name,))
}
NEEDED = {
    "sweep": ("params", "-m", "unet", "-L", "classes", "3"),
    "trajectory": (),
    "params": ("-m", "unet"),
    "card new": ("unet",),
    "datasets check": ("camvid",),
    "gpu-check": (),
    "reproduce": ("table2",),
    "train": ("-m", "unet", "-d", "synthetic", "--device", "cpu"),
    "fits": ("--budget", "32GB"),
}
"""What makes a command line whole besides a network."""


def numeric(command: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(option, values that it must refuse)."""
    for parameter in command.params:
        annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        kinds = {annotation, *get_args(annotation)}
        if float in kinds or int in kinds:
            yield parameter.opts[-1], NEVER_FLOATS if float in kinds else NEVER_INTS


def test_the_walk_finds_the_numeric_options() -> None:
    found = {option for command in COMMAND_LINES.values() for option, _ in numeric(command)}
    assert {"--timeout", "--seed", "--threads", "--lr", "--nfe", "--noise", "--runs", "--workers"} <= found


@pytest.mark.parametrize("name", [name for name, command in COMMAND_LINES.items() if list(numeric(command))])
def test_a_number_that_no_flag_means_is_refused(name: str, machine: FakeMachine, segbench: Segbench) -> None:
    needed = NEEDED.get(name, ("-m", "unet", "--device", "cpu"))
    for option, values in numeric(COMMAND_LINES[name]):
        for value in values:
            result = segbench(*name.split(), *needed, option, value)
            told = f"{name} {option} {value}: {result.stdout}{result.stderr}"
            assert result.exit_code == 2, told
            assert option.strip("-").split("-")[0] in result.stderr.lower(), told
    assert machine.cases == []


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("epoch -m unet --device cpu", "--batch-size", ("nan", "-1", "0", str(9**40), "9" * 5000)),
        ("memory -m unet --device none", "--budget", ("nan", "infGB", "-1GB", "0GB", f"{9**40}GB", "9" * 400)),
        ("memory -m unet --device none", "--context", ("nan", "-1MiB", "9" * 400)),
        ("max-batch -m unet --device none", "--budget", ("nan", "0", "9" * 400)),
        ("memory -m unet --device none", "--input", ("nanxnan", "0x8", "-1x8", f"{9**40}x8", "9" * 5000 + "x1")),
        ("trajectory --device cpu", "--times", ("nan", "inf", "-1", "0:1:nan", "0:inf:1", "0:1:1e-7", "0:1:0")),
        ("trajectory --device cpu", "--times", ("0:1e400:1", "1:0:0.1", "0:1", "")),
        ("trajectory --device cpu", "--steps", ("nan", "-1", "0", "1001", str(9**40), "9" * 5000)),
        ("params -m segnode", "-a", ("rtol=nan", "atol=inf", "steps=1e400", "classes=5", "num_classes=5")),
        ("sweep params -m unet -L", "classes", ("nan", "-1", "0", str(9**40), "9" * 5000)),
    ],
)  # fmt: skip
def test_a_number_within_a_text_is_refused_alike(
    command: str, option: str, values: tuple[str, ...], machine: FakeMachine, segbench: Segbench
) -> None:
    for value in values:
        result = segbench(*command.split(), option, value)
        assert result.exit_code == 2, f"{command} {option} {value[:50]}: {result.stdout}{result.stderr}"
        assert len(result.stderr.split("\n")) < 12 and "Traceback" not in result.stderr
    assert machine.cases == []
