from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.records.ledger import Ledger
from segbench.records.options import MemoryOptions
from segbench.records.rows import EXPORT_COLUMNS

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]
MEASURE = ("memory", "-m", "segnode", "-m", "hrnetv2", "--device", "cpu")


def test_the_table_shows_ratio_paper_conditions_and_provenance(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench(*MEASURE, "-b", "2")
    assert result.exit_code == 0
    for text in ("segnode", "200 MiB", "1.00", "13.4 GB", "batch 24", "SegNode paper, Table 2", "Test CPU", "run "):
        assert text in result.stdout
    assert "ok" in result.stdout


def test_every_network_and_mode_has_a_process_of_its_own(machine: FakeMachine, segbench: Segbench) -> None:
    segbench(*MEASURE)
    assert [(case.model, case.modes) for case in machine.cases] == [
        ("segnode", ("train",)),
        ("segnode", ("infer",)),
        ("hrnetv2", ("train",)),
        ("hrnetv2", ("infer",)),
    ]


def test_without_a_batch_the_cpu_takes_one_and_says_so(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench(*MEASURE)
    assert machine.cases[0].batch_size == 1
    assert "-b 1, by default" in result.stdout


def test_a_training_that_processes_share_is_measured_by_as_many_and_says_so(
    machine: FakeMachine, segbench: Segbench
) -> None:
    result = segbench(*MEASURE, "--strategy", "fsdp", "--ranks", "2")
    assert {case.options_as(MemoryOptions).processes for case in machine.cases} == {2}
    assert "strategy fsdp, ranks 2" in " ".join(result.stdout.split())


def test_csv_and_json_on_stdout_are_rows_and_nothing_else(machine: FakeMachine, segbench: Segbench) -> None:
    rows = list(csv.DictReader(io.StringIO(segbench(*MEASURE, "--format", "csv").stdout)))
    assert list(rows[0]) == EXPORT_COLUMNS
    peak = next(row for row in rows if row["quantity"] == "train_peak_live_bytes" and row["model"] == "segnode")
    assert (peak["value"], peak["reference_value"], peak["unit"]) == (str(100 * 2**20), "13.4", "byte")
    again = json.loads(segbench(*MEASURE, "--format", "json", "--reuse").stdout)
    assert {row["quantity"] for row in again} == {row["quantity"] for row in rows}


def test_exports_are_written_all_at_once(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench(*MEASURE, "--export-csv", "a.csv", "--export-json", "a.json", "--export-markdown", "a.md")
    assert result.exit_code == 0
    assert Path("a.csv").read_text().startswith("run,model,quantity,value")
    assert len(json.loads(Path("a.json").read_text())) > 4
    assert "| segnode |" in Path("a.md").read_text()


def test_a_gate_that_holds_ends_with_3_and_one_that_does_not_with_0(machine: FakeMachine, segbench: Segbench) -> None:
    assert segbench(*MEASURE, "--fail-if", "train_peak_live_bytes > 24GiB").exit_code == 0
    broken = segbench(*MEASURE, "--fail-if", "train_peak_live_bytes > 10MiB")
    assert broken.exit_code == 3
    assert "fail-if" in broken.stderr


@pytest.mark.parametrize(("outcome", "code"), [("crashed", 1), ("timed_out", 1), ("failed", 2), ("does_not_fit", 0)])
def test_a_cell_that_ends_badly_leaves_the_others_standing(
    machine: FakeMachine, segbench: Segbench, outcome: str, code: int
) -> None:
    machine.ends = {"segnode": outcome}
    result = segbench(*MEASURE)
    assert result.exit_code == code
    assert f"{outcome}: the reason" in result.stdout
    assert "100 MiB" in result.stdout, "HRNetV2's row is whole"


def test_ctrl_c_leaves_a_whole_ledger_and_the_same_command_goes_on(machine: FakeMachine, segbench: Segbench) -> None:
    machine.interrupt_at = "hrnetv2"
    stopped = segbench(*MEASURE)
    assert stopped.exit_code == 130
    assert "the same command goes on from there" in " ".join(stopped.stderr.split())
    assert len(Ledger(Path("segbench-runs")).entries()) == 2
    machine.interrupt_at = None
    assert segbench(*MEASURE).exit_code == 0
    assert [case.model for case in machine.cases] == ["segnode", "segnode", "hrnetv2", "hrnetv2"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "unnet"), "no model 'unnet'; did you mean unet"),
        (("-m", "missing.py:Net"), "there is no file"),
        (("-m", "unet", "--input", "480"), "WIDTHxHEIGHT"),
        (("-m", "unet", "-d", "camvit"), "camvid"),
        (("-m", "unet", "--device", "tpu"), "no device 'tpu'"),
        (("-m", "unet", "--format", "xml"), "no format 'xml'; choose table"),
        (("-m", "unet", "--precision", "int8"), "fp32, bf16, fp16"),
        (("-m", "unet", "-a", "steps"), "name=value"),
        (("-m", "unet", "--fail-if", "train_peak_life_bytes > 1"), "train_peak_live_bytes"),
        (("-m", "unet", "-b", "0"), "'-b' / '--batch-size'"),
        (("-m", "unet", "--ledger", "file/below"), "cannot be written"),
        ((), "--model"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    Path("file").write_text("")
    result = segbench("memory", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", " ").split())
    assert machine.cases == [], "nothing was measured"
