"""`compare`: like with like, gates, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def measured(machine: FakeMachine, segbench: Segbench) -> Segbench:
    """Two networks in one command, segnode twice as slow; then segnode alone, again, in bf16, and on another ledger."""
    machine.latency = {"segnode": 20.0, "hrnetv2": 10.0}
    one = ("latency", "-m", "segnode", "--device", "cpu")
    assert segbench("latency", "-m", "segnode", "-m", "hrnetv2", "--device", "cpu").exit_code == 0
    assert segbench(*one).exit_code == 0
    assert segbench(*one, "--precision", "bf16").exit_code == 0
    machine.latency = {"segnode": 30.0}
    assert segbench(*one, "--ledger", "slow").exit_code == 0
    return segbench


def test_interleaved_networks_are_compared_as_pairs(measured: Segbench) -> None:
    result = measured("compare", "hrnetv2", "segnode,precision=fp32")
    assert result.exit_code == 0
    assert "segnode has 2 times the latency_s of hrnetv2" in flat(result.stdout)
    assert "100 % more, worse" in flat(result.stdout)


def test_the_same_case_twice_is_the_same(measured: Segbench) -> None:
    result = measured("compare", "last-2", "last-1")
    assert "the same: segnode (B) has 1 times the latency_s of segnode (A)" in flat(result.stdout)


def test_two_ledgers_are_compared_case_by_case(measured: Segbench) -> None:
    result = measured("compare", "segbench-runs", "slow", "--fail-if", "latency_s > +5%")
    assert result.exit_code == 3
    assert "1.5 times the latency_s" in flat(result.stdout)
    assert "fail-if" in result.stderr
    assert measured("compare", "slow", "segbench-runs@segnode", "--fail-if", "latency_s > +5%").exit_code == 0


def test_a_change_of_one_condition_is_what_is_compared(measured: Segbench) -> None:
    result = measured("compare", "segnode,precision=fp32", "segnode,precision=bf16")
    assert "by precision" in flat(result.stdout)


def test_unlike_cells_are_refused_unless_allowed(measured: Segbench) -> None:
    refused = measured("compare", "hrnetv2", "segnode,precision=bf16")
    assert refused.exit_code == 2
    assert "precision: fp32 against bf16" in flat(refused.stderr)
    allowed = measured("compare", "hrnetv2", "segnode,precision=bf16", "--allow-unlike")
    assert allowed.exit_code == 0
    assert "unlike: precision: fp32 against bf16" in flat(allowed.stdout)
    named = measured("compare", "hrnetv2", "segnode,precision=bf16", "--by", "model", "--by", "precision")
    assert named.exit_code == 0


def test_csv_json_and_markdown_hold_every_quantity(measured: Segbench) -> None:
    sides = ("compare", "hrnetv2", "segnode,precision=fp32")
    rows = list(csv.DictReader(io.StringIO(measured(*sides, "--format", "csv").stdout)))
    assert [row["quantity"] for row in rows] == ["parameters", "latency_s", "latency_p90_s", "latency_forward_s"]
    assert (rows[1]["verdict"], rows[1]["compared"]) == ("more", "model")
    only = json.loads(measured(*sides, "--format", "json", "-q", "latency_s").stdout)
    assert len(only) == 1 and only[0]["ratio"] == pytest.approx(2, rel=0.01)
    measured(*sides, "--export-markdown", "c.md", "--export-csv", "c.csv")
    assert "| latency_s |" in Path("c.md").read_text()
    assert Path("c.csv").read_text().startswith("quantity,unit,mode,a,b")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("hrnetv3", "segnode"), "did you mean hrnetv2"),
        (("hrnetv2", "segnode,precission=fp32"), "did you mean precision"),
        (("hrnetv2", "segnode,precision=fp16"), "nothing has precision=fp16; there is bf16, fp32"),
        (("hrnetv2", "last-9"), "there are only 3 runs"),
        (("hrnetv2", "nowhere@segnode"), "there is no ledger"),
        (("before.jsonl", "after.jsonl"), "there is no ledger at before.jsonl"),
        (("hrnetv2", "segnode", "--fail-if", "latency_s > 5%"), "write a sign"),
        (("hrnetv2", "segnode", "-q", "latency"), "did you mean latency_s"),
        (("hrnetv2", "segnode", "--format", "xml"), "no format"),
    ],
)
def test_bad_input_is_one_sentence(measured: Segbench, arguments: tuple[str, ...], sentence: str) -> None:
    result = measured("compare", *arguments)
    assert result.exit_code == 2
    assert sentence in flat(result.stderr)


def test_a_gate_on_what_nothing_has_is_broken(measured: Segbench) -> None:
    result = measured("compare", "hrnetv2", "segnode,precision=fp32", "--fail-if", "miou < -1%")
    assert result.exit_code == 3
    assert "cannot be judged" in result.stderr


def test_a_gate_on_a_value_judges_b(measured: Segbench) -> None:
    sides = ("compare", "hrnetv2", "segnode,precision=fp32")
    assert measured(*sides, "--fail-if", "latency_s > 15ms").exit_code == 3
    assert measured(*sides, "--fail-if", "latency_s > 25ms").exit_code == 0


def test_without_a_ledger_it_says_what_to_do(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("compare", "a", "b")
    assert result.exit_code == 2
    assert "measure something first" in result.stderr
