from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.records.case import Case
from segbench.records.measurement import Measurement

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]


@pytest.fixture
def machine(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    def rows(case: Case) -> Iterator[Measurement]:
        for gradient, error in (("backprop", 0.0), ("adjoint", 0.3)):
            factors = {"solver": "euler", "gradient": gradient}
            yield Measurement("gradient_relative_error", error, "measured:host", "train", factors=factors)

    monkeypatch.setattr(machine, "rows", rows)
    return machine


def test_one_process_measures_every_pair_at_the_cards_size(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("gradients", "-m", "segnode-w8", "--device", "cpu", "--solver", "euler")
    assert result.exit_code == 0
    (case,) = machine.cases
    assert (case.task, case.width, case.height, case.options.solvers) == ("gradients", 240, 180, ("euler",))
    assert "euler, adjoint" in result.stdout and "3.0e-01" in result.stdout


def test_an_error_that_is_too_large_can_fail_a_build(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("gradients", "-m", "segnode-w8", "--device", "cpu", "--fail-if", "gradient_relative_error > 0.1")
    assert result.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "segnod"), "no model 'segnod'"),
        (("-m", "segnode-w8", "--checkpoint", "nowhere"), "there is no checkpoint nowhere"),
        (("-m", "segnode-w8", "--device", "none"), "gradients cannot be predicted"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segbench("gradients", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert machine.cases == []
