from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from segbench.cards.model import find_model
from tests.cli.conftest import FakeMachine


@pytest.mark.usefixtures("machine")
def test_a_network_of_a_file_is_written_as_a_card_with_its_parameters(
    segbench: Callable[..., Result], tmp_path: Path
) -> None:
    Path("net.py").write_text("class Net: pass")
    assert segbench("card", "new", "net.py:Net?width=4", "-o", "mine.toml").exit_code == 0
    assert "1,000,000 parameters at 11 classes, counted by segbench" in find_model("mine.toml").card.note
    assert segbench("card", "new", "net.py:Net?width=4").stdout == Path("mine.toml").read_text()
    assert segbench("card", "new", "net.py:Net", "-o", "mine.txt").exit_code == 2


def test_a_network_that_cannot_be_built_gives_no_card(machine: FakeMachine, segbench: Callable[..., Result]) -> None:
    Path("net.py").write_text("class Net: pass")
    machine.ends[str(Path("net.py").resolve()) + ":Net"] = "failed"
    result = segbench("card", "new", "net.py:Net", "-o", "mine.toml")
    assert result.exit_code == 2 and "the reason" in result.stderr and not Path("mine.toml").exists()
