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
        saved = 0.25 if "checkpoint" in case.model else 1.0
        yield Measurement("train_peak_reserved_bytes", saved * 2**30 * case.batch_size, "predicted", "train")
        factors = {"width": 64, "height": 64, "batch_size": 2}
        yield Measurement("gradient_relative_error", 0.0, "measured:host", "train", factors=factors)

    monkeypatch.setattr(machine, "rows", rows)
    return machine


def test_one_table_a_network_with_the_others_at_its_end(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("savings", "-m", "hrnetv2", "-m", "segnode", "--switch", "checkpoint", "--device", "none")
    assert result.exit_code == 0
    assert [case.model for case in machine.cases] == ["hrnetv2", "hrnetv2+checkpoint", "segnode", "segnode+checkpoint"]
    assert {case.batch_size for case in machine.cases} == {24}
    assert [line.split() for line in result.stdout.splitlines() if "GiB" in line] == [
        ["plain", "24.0", "GiB", "1.00", "0.0e+00", "ok"],
        ["checkpoint", "6.00", "GiB", "0.25", "0.0e+00", "ok"],
        ["segnode", "instead", "24.0", "GiB", "1.00", "0.0e+00", "ok"],
        ["plain", "24.0", "GiB", "1.00", "0.0e+00", "ok"],
        ["checkpoint", "6.00", "GiB", "0.25", "0.0e+00", "ok"],
        ["hrnetv2", "instead", "24.0", "GiB", "1.00", "0.0e+00", "ok"],
    ]


def test_a_network_that_has_a_switch_gets_the_others(machine: FakeMachine, segbench: Segbench) -> None:
    segbench("savings", "-m", "unet+checkpoint", "--device", "cpu")
    assert "unet+checkpoint+recompute" in [case.model for case in machine.cases]
    assert not any("checkpoint+checkpoint" in case.model for case in machine.cases)
    assert {case.batch_size for case in machine.cases} == {1}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "hrnetv2", "--switch", "chekpoint"), "no memory optimisation 'chekpoint'; did you mean checkpoint"),
        (("-m", "hrnetv2+compres"), "did you mean compress"),
    ],
)
def test_bad_names_are_one_sentence_and_exit_code_2(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segbench("savings", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert machine.cases == []
