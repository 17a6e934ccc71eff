"""`sweep`: the grid from flags and files, resume, crashes, the dry run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import Result

from segbench.cli.grid import SweepGrid, grid_of_flags, read_grid, set_factors
from segbench.errors import UserError
from segbench.present.sweep import SweepProgress
from segbench.records.case import Case
from segbench.records.ledger import Ledger

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]
SWEEP = ("sweep", "memory", "-m", "unet", "--device", "cpu", "-L", "batch_size", "1,2")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_combination_is_a_cell(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench(*SWEEP, "-L", "precision=fp32,bf16")
    assert result.exit_code == 0
    found = [(case.batch_size, case.precision, case.modes[0]) for case in machine.cases]
    assert found == [(b, p, m) for b in (1, 2) for p in ("fp32", "bf16") for m in ("train", "infer")]
    assert "200 MiB" in result.stdout and "bf16" in result.stdout


def test_what_the_ledger_has_is_not_measured_again_also_in_a_larger_grid(
    machine: FakeMachine, segbench: Segbench
) -> None:
    segbench(*SWEEP)
    machine.cases.clear()
    result = segbench("sweep", "memory", "-m", "unet", "--device", "cpu", "-L", "batch_size", "1,2,4")
    assert [case.batch_size for case in machine.cases] == [4, 4]
    assert "400 MiB" in result.stdout and "100 MiB" in result.stdout
    machine.cases.clear()
    segbench(*SWEEP, "--again")
    assert len(machine.cases) == 4


def test_a_crash_of_one_cell_never_stops_the_rest(machine: FakeMachine, segbench: Segbench) -> None:
    machine.ends = {"unet": "crashed"}
    result = segbench(*SWEEP, "-m", "segnode")
    assert result.exit_code == 1
    assert len(machine.cases) == 8
    assert "1 failed" in result.stderr and "crashed: the reason" in result.stderr
    machine.cases.clear()
    machine.ends = {}
    segbench(*SWEEP, "-m", "segnode")
    assert {case.model for case in machine.cases} == {"unet"}, "what failed is tried again"


def test_a_dry_run_measures_nothing_and_tells_what_is_done(machine: FakeMachine, segbench: Segbench) -> None:
    segbench(*SWEEP)
    machine.cases.clear()
    result = segbench("sweep", "memory", "-m", "unet", "--device", "cpu", "-L", "batch_size", "1,4", "--dry-run")
    assert machine.cases == []
    assert "4 cells, 2 in the ledger, 2 to be measured" in flat(result.stdout)
    assert "batch_size 4, mode train to be measured" in flat(result.stdout)


def test_a_grid_in_a_file(machine: FakeMachine, segbench: Segbench) -> None:
    Path("grid.toml").write_text(
        'task = "latency"\nmodel = "unet"\n[fixed]\nprecision = "bf16"\n[grid]\ninput = ["480x360", "240x180"]\n'
    )
    result = segbench("sweep", "grid.toml", "--device", "cpu", "--rounds", "2", "--min-runs", "2")
    assert result.exit_code == 0
    assert {(case.width, case.precision) for case in machine.cases} == {(480, "bf16"), (240, "bf16")}
    assert len(Ledger(Path("segbench-runs")).entries()) == 2, "one row a cell, of several rounds"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('task = "latency"\nmodels = "unet"', "did you mean model"),
        ('task = "latencies"\nmodel = "unet"', "did you mean latency"),
        ('task = "latency"', "needs networks"),
        ('task = "memory"\nmodel = "unet"\n[grid]\nbatchsize = [1]', "did you mean batch_size"),
        ('task = "memory"\nmodel = "unet"\n[grid]\nbatch_size = 1', "needs a list of values"),
        ('task = "latency"\nmodel = "unet"\n[grid]\nbatch_size = [1]', "no factor of latency 'batch_size'"),
        ('task = "memory"\nmodel = 5', "model needs names"),
        ('task = "memory"\nmodel = "unet"\ngrid = 3', r"write \[grid\]"),
        ('task = "memory"\nmodel = "unet"\nfixed = 3', r"write \[fixed\]"),
        ("task = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_grid(tmp_path / "grid.toml")


@pytest.mark.parametrize(
    ("varied", "values", "sentence"),
    [
        (["batch_size"], [], "has no values"),
        (["batch_size=1,2"], ["4"], "belongs to no -L"),
        (["batchsize"], ["1"], "did you mean batch_size"),
    ],
)
def test_wrong_flags_are_one_sentence(varied: list[str], values: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        grid_of_flags("memory", ["unet"], varied, values)


@pytest.mark.parametrize(
    ("varied", "sentence"),
    [
        (["ranks=2"], "2 ranks need a strategy"),
        (["strategy=fsdp"], "say how many with ranks, from 2"),
        (["strategy=ddp", "ranks=0"], "ranks cannot be 0"),
    ],
)
def test_ranks_that_do_not_suit_their_strategy_are_refused_before_anything_runs(
    machine: FakeMachine, segbench: Segbench, varied: list[str], sentence: str
) -> None:
    result = segbench("sweep", "memory", "-m", "unet", *(word for one in varied for word in ("-L", one)))
    assert (result.exit_code, machine.cases) == (2, [])
    assert sentence in " ".join(result.stderr.split())


def test_among_strategies_one_process_stands_once_whatever_the_ranks_of_the_others() -> None:
    grid = grid_of_flags("memory", ["unet"], ["strategy=single,ddp", "ranks=2,8"], [])
    found = [(case.options.strategy, case.options.ranks) for case in grid.cases(Case("memory", "unet"))]
    assert found == [("single", 1), ("ddp", 2), ("ddp", 8)]


@pytest.mark.parametrize(
    "factors",
    [
        {"batch_size": "two"},
        {"batch_size": True},
        {"compile": 1},
        {"input": "480"},
        {"threads": "two"},
        {"optimizer": 3},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(factors: dict[str, object]) -> None:
    with pytest.raises(UserError):
        set_factors(Case("memory", "unet"), factors)


def test_an_epochs_images_are_those_of_the_copy_at_hand(machine: FakeMachine, segbench: Segbench) -> None:
    sweep = ("sweep", "epoch", "-m", "unet", "--device", "cpu", "-L", "batch_size", "1,2")
    assert segbench(*sweep).exit_code == 0
    assert {case.options.images for case in machine.cases} == {367}
    machine.cases.clear()
    segbench(*sweep, "-d", "synthetic")
    assert {case.options.images for case in machine.cases} == {None}


def test_arguments_of_the_builder_are_factors_too() -> None:
    grid = grid_of_flags("params", ["segnode"], ["argument.steps"], ["2,4"])
    assert [case.arguments for case in grid.cases(Case("params", "segnode"))] == [(("steps", 2),), (("steps", 4),)]


@given(
    st.lists(st.integers(1, 9), min_size=1, unique=True), st.lists(st.sampled_from([240, 480]), min_size=1, unique=True)
)
def test_a_grid_has_the_product_of_its_axes_each_once(batches: list[int], widths: list[int]) -> None:
    cases = list(
        SweepGrid("memory", ("unet",), {"seed": 3}, {"batch_size": batches, "width": widths}).cases(
            Case("memory", "unet")
        )
    )
    assert len(set(cases)) == len(cases) == len(batches) * len(widths)
    assert {case.seed for case in cases} == {3}


def test_the_time_left_is_the_mean_of_what_was_measured() -> None:
    console = Console(file=None, stderr=True, width=200, record=True, force_terminal=False)
    progress = SweepProgress({Case("memory", str(n)): str(n) for n in range(5)}, console)
    with progress:
        progress.finished("0", "ok", None, 0.1, fresh=False)
        progress.finished("1", "ok", None, 10.0, fresh=True)
        progress.finished("2", "crashed", "SIGSEGV", 20.0, fresh=True)
    text = console.export_text()
    assert "0: ok (from the ledger); 1 of 5 cells\n" in text
    assert "1: ok (10.0 s); 2 of 5 cells, about 30 s left" in text
    assert "2: crashed: SIGSEGV (20.0 s); 3 of 5 cells, 1 failed, about 30 s left" in text


def test_on_a_terminal_the_table_is_redrawn() -> None:
    console = Console(stderr=True, width=100, record=True, force_terminal=True)
    case = Case("memory", "a")
    progress = SweepProgress({case: "unet batch_size 1"}, console)
    with progress:
        progress.listen(case, "progress", {"stage": "train", "done": 1, "total": 3})
        progress.finished("unet batch_size 1", "ok", None, 1.5, fresh=True)
    text = console.export_text()
    assert "train 1/3" in text and "1.50 s" in text and "1 of 1 cells" in text
