"""`segbench reproduce` on a fake machine: plan, run, resume, verdicts, and a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from segbench.records.ledger import Ledger

Run = Callable[..., Result]


def test_a_dry_run_shows_steps_cells_and_time_and_runs_nothing(segbench: Run, machine: Any) -> None:
    result = segbench("reproduce", "table2", "--device", "none", "--dry-run")
    assert result.exit_code == 0
    assert "peak memory of a training step at batch 24" in " ".join(result.stdout.split())
    assert "by rule" in result.stdout
    assert machine.cases == []
    assert not Path("segbench-runs").exists()


def test_every_network_of_the_table_is_asked_and_judged(segbench: Run, machine: Any) -> None:
    result = segbench("reproduce", "table2", "--device", "none", "--format", "markdown")
    assert result.exit_code == 0, result.output
    assert {case.task for case in machine.cases} == {"predict", "max_batch", "params"}
    for part in ("| U-Net |", "| SegNode |", "4 ms (0.08) ·", "## Table 2 beside ours"):
        assert part in result.stdout


def test_predictions_alone_take_what_is_assumed_of_an_older_torch(segbench: Run, machine: Any) -> None:
    segbench("reproduce", "table2", "--device", "none", "--assume-torch", "1.8")
    assumed = {(case.task, getattr(case.options, "assume_torch", None)) for case in machine.cases}
    assert assumed == {("predict", "1.8"), ("max_batch", "1.8"), ("params", None)}


def test_what_the_ledger_answers_is_not_run_again_unless_fresh(segbench: Run, machine: Any) -> None:
    cases = machine.cases
    segbench("reproduce", "table2", "--device", "none")
    first = len(cases)
    again = segbench("reproduce", "claims", "--device", "none")
    assert "The paper's five percentages" in again.stdout
    assert len(cases) == first
    segbench("reproduce", "claims", "--device", "none", "--fresh")
    assert len(cases) > first


def test_an_interrupted_command_goes_on_where_it_stopped(segbench: Run, machine: Any) -> None:
    machine.interrupt_at = "hrnetv2"
    assert segbench("reproduce", "table2", "--device", "none").exit_code == 130
    done = len(Ledger(Path("segbench-runs")).entries())
    assert done > 0
    machine.interrupt_at = None
    before = len(machine.cases)
    assert segbench("reproduce", "table2", "--device", "none").exit_code == 0
    assert len(machine.cases) == before + 36 - done


def test_table_1_starts_nothing_and_shows_every_published_row(segbench: Run, machine: Any) -> None:
    result = segbench("reproduce", "table1", "--device", "none")
    assert result.exit_code == 0
    assert machine.cases == []
    assert "NODEs-UNet" in result.stdout
    assert "0 cells measured, 30 only published, 6 missing" in result.stdout


def test_a_report_is_written_with_the_command(segbench: Run, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ["segbench", "reproduce", "table2", "--device", "none", "-o", "out"]
    monkeypatch.setattr("sys.argv", line)
    result = segbench(*line[1:])
    assert result.exit_code == 0, result.output
    assert Path("out/command.txt").read_text() == " ".join(line) + "\n"
    assert Path("out/report.html").is_file()
    assert len(Ledger(Path("out/ledger.jsonl")).entries()) == 36


def test_a_cell_that_fails_is_missing_with_its_cause_and_gives_exit_code_1(segbench: Run, machine: Any) -> None:
    machine.ends = {"unet": "crashed"}
    result = segbench("reproduce", "table2", "--device", "none", "-o", "out")
    assert result.exit_code == 1
    assert "| U-Net | - |" in segbench("reproduce", "table2", "--device", "none", "--format", "markdown").stdout
    assert "crashed,the reason" in Path("out/measurements.csv").read_text()


@pytest.mark.parametrize("arguments", [("table3",), ("table2", "--device", "tpu"), ("table2", "--format", "pdf")])
def test_what_cannot_be_understood_is_one_sentence_and_exit_code_2(segbench: Run, arguments: tuple[str, ...]) -> None:
    result = segbench("reproduce", *arguments)
    assert result.exit_code == 2
    assert result.stderr_bytes is not None
    assert result.stderr_bytes.decode().count("\n") == 1


def test_a_figure_without_weights_says_how_to_train_them(segbench: Run, machine: Any) -> None:
    result = segbench("reproduce", "fig4", "-m", "segnode-w8", "-d", "synthetic")
    assert result.exit_code == 2
    assert "segbench train -m segnode-w8 -d synthetic" in result.stderr


def test_on_a_cpu_times_are_taken_in_rounds_shown_and_not_judged(segbench: Run, machine: Any) -> None:
    result = segbench("reproduce", "claims", "--device", "cpu", "--format", "markdown")
    assert result.exit_code == 0, result.output
    rounds = [case for case in machine.cases if (case.task, case.model) == ("latency", "hrnetv2")]
    assert len(rounds) >= 5
    row = next(line for line in result.stdout.splitlines() if "-59 %" in line)
    assert row.split("|")[2].strip() == "-59 % ∅"
