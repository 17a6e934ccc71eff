from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.cards.catalogue import models_folder
from segbench.cards.model import find_model
from segbench.cli.checkpoints import SHIPPED
from segbench.cli.trajectory import parse_steps, parse_times
from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.ledger import Ledger
from segbench.records.measurement import Measurement

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]


@pytest.fixture
def machine(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """Every end is measured at once: mIoU rises with t."""

    def rows(case: Case) -> Iterator[Measurement]:
        for t_end, steps in ((0.0, 0), (0.5, 2), (1.0, 4)):
            factors, time = {"t_end": t_end, "steps": steps}, 0.01 + t_end / 100
            values = {"miou": 0.5 + t_end / 10, "pixels_changed": 1 - t_end, "nfe_forward": steps, "macs": 1e9 + steps}
            if case.options.part == "timed":
                yield Measurement("latency_s", time, "measured:host", samples=(time,) * 4, factors=factors)
                continue
            for name, value in {**values, "miou_drop": 0.1 - t_end / 10}.items():
                yield Measurement(name, value, "measured:host", factors=factors)

    monkeypatch.setattr(machine, "rows", rows)
    return machine


def curves(machine: FakeMachine) -> list[Case]:
    """The cases of the first part, one a curve."""
    return [case for case in machine.cases if case.options.part == "once"]


def checkpoint(folder: str, size: tuple[int, int] | None = None) -> str:
    path = Path(folder) / "best.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"plan": {"width": size[0], "height": size[1]}} if size else {}
    header = json.dumps({"__metadata__": {"segbench": json.dumps(facts)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + folder.encode())
    return str(path)


def test_without_any_argument_the_shipped_network_meets_synthetic_streets(
    machine: FakeMachine, segbench: Segbench
) -> None:
    result = segbench("trajectory")
    assert result.exit_code == 0
    (case,) = curves(machine)
    assert (case.model, case.dataset, case.split, case.width, case.height) == (SHIPPED, "synthetic", "val", 240, 180)
    assert Path("trajectory.png").is_file() and Path("trajectory-error.png").is_file()
    for text in ("t = 0.5", "2 of 4 evaluations", "3 % of accuracy"):
        assert text in " ".join(result.stdout.split())


def test_the_ends_are_timed_in_rounds_and_the_table_says_so(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("trajectory", "--rounds", "2", "--runs", "8")
    timed = [case for case in machine.cases if case.options.part == "timed"]
    assert [(case.options.round_min_runs, case.options.round_max_runs) for case in timed] == [(2, 4)] * 2
    text = " ".join(result.stdout.split())
    assert "time: median of 8 calls in 2 rounds of fresh processes, in which all ends take turns" in text
    (entry,) = Ledger(Path("segbench-runs")).entries()
    assert sum(row.quantity == "latency_s" for row in entry.measurements) == 3


def test_what_is_doubtful_about_the_times_is_told_once_for_all_ends(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("trajectory", "--rounds", "1", "--runs", "4")
    lines = [line for line in result.stderr.splitlines() if line.startswith(f"{SHIPPED}:")]
    assert [line.partition(": ")[2] for line in lines] == [
        "only 4 samples: raise --min-runs or --max-seconds (3 of 3 ends)",
        "one process only, so the spread between processes is unseen: raise --rounds (3 of 3 ends)",
    ]


def test_the_shipped_weights_are_those_the_card_states() -> None:
    weights = find_model(SHIPPED).card.weights
    assert weights is not None and weights.path is not None and weights.command is not None
    content = (models_folder() / weights.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == weights.sha256
    assert len(content) <= 2_000_000
    assert weights.command.startswith("segbench train ")


def test_rows_have_one_line_for_each_quantity_and_end(machine: FakeMachine, segbench: Segbench) -> None:
    assert segbench("trajectory", "--export-csv", "rows.csv", "-o", "figures").exit_code == 0
    rows = list(csv.DictReader(Path("rows.csv").read_text(encoding="utf-8").splitlines()))
    for name in ("miou", "nfe_forward", "macs", "latency_s"):
        assert [row["t_end"] for row in rows if row["quantity"] == name] == ["0.0", "0.5", "1.0"]
    assert Path("figures/trajectory.png").is_file() and not Path("trajectory.png").exists()


def test_the_best_of_the_usual_run_is_taken_and_shown_at_its_training_size(
    machine: FakeMachine, segbench: Segbench
) -> None:
    path = checkpoint("runs/segnode-w8-synthetic", (120, 96))
    assert segbench("trajectory", "-m", "segnode-w8").exit_code == 0
    (case,) = curves(machine)
    assert (case.options.checkpoint, case.width, case.height) == (path, 120, 96)
    assert case.options.strip == "trajectory-strip.png"


def test_several_trainings_of_a_network_are_told_apart_by_their_runs(machine: FakeMachine, segbench: Segbench) -> None:
    every, end = checkpoint("runs/every-step"), checkpoint("runs/end-only")
    result = segbench("trajectory", "-m", "segnode-w8", "--checkpoint", "runs/every-step", "--checkpoint", end)
    assert result.exit_code == 0
    assert [case.options.checkpoint for case in curves(machine)] == [every, end]
    assert "segnode-w8 every-step along the solver's time" in result.stdout
    assert "segnode-w8 end-only along the solver's time" in result.stdout
    assert len({case.options.strip for case in curves(machine)}) == 2


def test_each_solver_makes_a_curve_with_plain_gradients(machine: FakeMachine, segbench: Segbench) -> None:
    assert segbench("trajectory", "--solver", "euler", "--solver", "dopri5").exit_code == 0
    assert [dict(case.arguments) for case in curves(machine)] == [
        {"gradient": "backprop", "solver": "euler"},
        {"gradient": "backprop", "solver": "dopri5"},
    ]


def test_a_retrained_network_is_another_measurement(machine: FakeMachine, segbench: Segbench) -> None:
    path = Path(checkpoint("runs/segnode-w8-synthetic"))
    segbench("trajectory", "-m", "segnode-w8")
    segbench("trajectory", "-m", "segnode-w8", "--reuse")
    assert len(curves(machine)) == 1
    path.write_bytes(b"trained again")
    segbench("trajectory", "-m", "segnode-w8", "--reuse")
    assert len(curves(machine)) == 2


def test_without_weights_the_sentence_has_the_command_that_makes_them(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("trajectory", "-m", "segnode-w8")
    assert result.exit_code == 2
    assert "there is no checkpoint runs/segnode-w8-synthetic/best.safetensors" in result.stderr
    assert "segbench train -m segnode-w8 -d synthetic" in result.stderr
    assert machine.cases == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--times", "0:1"), "FIRST:LAST:STEP"),
        (("--steps", "0"), "whole numbers from 1"),
        (("-m", "segnod"), "no model 'segnod'"),
        (("-d", "camvit"), "camvid"),
        (("-m", "segnode-w8", "-m", "segnode", "--checkpoint", "a"), "2 networks need as many --checkpoint, found 1"),
        (("--checkpoint", "nowhere.safetensors"), "there is no checkpoint nowhere.safetensors"),
        (("--device", "none"), "trajectory cannot be predicted"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segbench("trajectory", *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())
    assert machine.cases == []


def test_a_cell_that_fails_leaves_no_figure_and_says_why(machine: FakeMachine, segbench: Segbench) -> None:
    machine.ends = {SHIPPED: "failed"}
    result = segbench("trajectory")
    assert result.exit_code == 2
    assert "failed: the reason" in result.stdout
    assert not Path("trajectory.png").exists()


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (None, None),
        ("0:1:0.25", (0, 0.25, 0.5, 0.75, 1)),
        ("0:1:0.3", (0, 0.3, 0.6, 0.9)),
        ("1,0.5", (0.5, 1)),
        ("0.7", (0.7,)),
    ],
)
def test_end_times_are_a_range_or_a_list(text: str | None, times: tuple[float, ...] | None) -> None:
    assert parse_times(text) == times


@pytest.mark.parametrize("text", ["", "a", "0:1", "1:0:0.1", "0:1:0", "0:1:-1", "-1", "0,inf", "nan", "0:1:0.1:2"])
def test_anything_else_is_no_end_time(text: str) -> None:
    with pytest.raises(UserError, match="no end times"):
        parse_times(text)


def test_steps_are_a_list_or_none_at_all() -> None:
    assert parse_steps(None) is None
    assert parse_steps("none") == ()
    assert parse_steps("8, 1,2") == (1, 2, 8)
    with pytest.raises(UserError, match="no numbers of steps"):
        parse_steps("2.5")
