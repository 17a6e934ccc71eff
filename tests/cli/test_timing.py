"""`latency`, `epoch` and `params` on a machine that is not noisy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.records.dataset_spec import DatasetSpec
from segbench.records.ledger import Ledger

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]
TWO = ("-m", "segnode", "-m", "hrnetv2", "--device", "cpu")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_latency_shows_time_interval_ratio_and_paper(machine: FakeMachine, segbench: Segbench) -> None:
    machine.latency = {"segnode": 5.0, "hrnetv2": 20.0}
    result = segbench("latency", *TWO)
    assert result.exit_code == 0
    for text in ("5.00 ms", "20.0 ms", "0.25", "5 of 15 runs", "paper", "interleaved", "energy: no GPU here"):
        assert text in flat(result.stdout)
    assert "Latency by part" in result.stdout


def test_networks_take_turns_and_each_ends_as_one_row_of_the_ledger(machine: FakeMachine, segbench: Segbench) -> None:
    segbench("latency", *TWO, "--rounds", "4", "--min-runs", "8")
    assert sorted(case.model for case in machine.cases) == ["hrnetv2"] * 4 + ["segnode"] * 4
    entries = Ledger(Path("segbench-runs")).entries()
    assert [entry.model for entry in entries] == ["segnode", "hrnetv2"]
    assert entries[0].measurements[1].detail["rounds"] == [3] * 4


def test_the_protocol_and_the_switches_are_part_of_the_case(machine: FakeMachine, segbench: Segbench) -> None:
    flags = ("--compile", "--channels-last", "--tf32", "--cudnn-benchmark", "--threads", "2", "--precision", "bf16")
    segbench("latency", *TWO, *flags, "--noise", "0.05", "--rounds", "2")
    case = Ledger(Path("segbench-runs")).entries()[0].case
    assert (case.compile, case.channels_last, case.tf32, case.cudnn_benchmark) == (True, True, True, True)
    assert (case.threads, case.precision, case.options.target) == (2, "bf16", 0.05)


def test_networks_may_have_trained_weights_one_file_each(
    machine: FakeMachine, segbench: Segbench, tmp_path: Path
) -> None:
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        file.write_text(file.name)
    given = [flag for file in files for flag in ("--checkpoint", str(file))]
    assert segbench("latency", *TWO, *given).exit_code == 0
    first, second = (case.options for case in (entry.case for entry in Ledger(Path("segbench-runs")).entries()))
    assert [first.checkpoint, second.checkpoint] == [file.name for file in files]  # as a ledger names them
    assert first.weights and second.weights and first.weights != second.weights
    refused = segbench("latency", *TWO, *given[:2])
    assert refused.exit_code == 2 and "2 networks need as many --checkpoint, found 1" in flat(refused.stderr)


def test_a_target_that_is_missed_is_said_once_on_stderr(machine: FakeMachine, segbench: Segbench) -> None:
    machine.noise = 0.1
    result = segbench("latency", "-m", "segnode", "--device", "cpu", "--rounds", "3", "--max-runs", "10")
    assert result.exit_code == 0
    assert flat(result.stderr).count("segnode: stopped by --max-runs 10") == 1
    assert "the medians of the rounds lie 10 % apart: close other programs" in flat(result.stderr)
    assert "stopped by" not in result.stdout


def test_a_crash_is_shown_and_the_rival_is_measured(machine: FakeMachine, segbench: Segbench) -> None:
    machine.ends = {"segnode": "crashed"}
    result = segbench("latency", *TWO)
    assert result.exit_code == 1
    assert "crashed: the reason" in flat(result.stdout)
    assert "10.0 ms" in result.stdout


def test_a_gate_on_latency_ends_with_3(machine: FakeMachine, segbench: Segbench) -> None:
    assert segbench("latency", *TWO, "--fail-if", "latency_s > 5ms").exit_code == 3
    assert segbench("latency", *TWO, "--fail-if", "latency_s > 50ms").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("latency", "-m", "unet", "--noise", "2"), "noise target"),
        (("latency", "-m", "unet", "--min-runs", "20", "--max-runs", "10"), "below --min-runs"),
        (("latency", "-m", "unet", "--device", "none"), "cannot be predicted"),
        (("latency", "-m", "unet", "--fail-if", "latency_s > +5%"), "only `segbench compare`"),
        (("epoch", "-m", "unet", "-b", "many"), "neither a number of images nor max"),
        (("epoch", "-m", "unet", "-b", "max", "--device", "cpu"), "give --budget"),
        (("epoch", "-m", "unet", "-b", "4", "--budget", "8GB", "--device", "cpu"), "give it with -b max"),
        (("epoch", "-m", "unet", "--workers", "2", "--device", "cpu"), "give -d"),
    ],
)
def test_bad_input_is_one_sentence(
    machine: FakeMachine, segbench: Segbench, arguments: tuple[str, ...], sentence: str
) -> None:
    result = segbench(*arguments)
    assert result.exit_code == 2
    assert sentence in flat(result.stderr)
    assert machine.cases == []


def test_an_epoch_has_camvids_images_unless_told_otherwise(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("epoch", *TWO, "-b", "4")
    assert result.exit_code == 0
    assert "epoch of 367 images" in result.stdout
    assert machine.cases[0].options.images == 367
    assert machine.cases[0].batch_size == 4
    segbench("epoch", *TWO, "--images", "2975")
    assert machine.cases[-1].options.images == 2975


def test_an_epoch_of_a_data_set_is_counted_by_the_child_unless_told_otherwise(
    machine: FakeMachine, segbench: Segbench
) -> None:
    segbench("epoch", "-m", "segnode", "--device", "cpu", "-d", "synthetic:count=4")
    assert machine.cases[-1].options.images is None
    segbench("epoch", "-m", "segnode", "--device", "cpu", "-d", "synthetic:count=4", "--images", "9")
    assert machine.cases[-1].options.images == 9


OWN_CARD = """
name = "own"
width = 64
height = 48
classes = [{ name = "road" }, { name = "sky" }]
[files]
images = "{split}/*.png"
"""


def test_a_users_data_set_is_found_by_the_child_and_published_by_name(
    machine: FakeMachine, segbench: Segbench, tmp_path: Path
) -> None:
    card = tmp_path / "sets" / "mine.toml"
    card.parent.mkdir()
    card.write_text(OWN_CARD)
    result = segbench("latency", "-m", "segnode", "--device", "cpu", "-d", str(card), "--rounds", "2")
    assert result.exit_code == 0, result.stderr
    case = machine.cases[0]
    assert DatasetSpec.parse(str(case.dataset)).card == card
    assert (case.data_root, case.classes) == (str(card.parent), 2)
    ledger = Path("segbench-runs/ledger.jsonl").read_text()
    assert '"dataset":"own"' in ledger
    assert str(tmp_path) not in ledger + result.stdout


def test_another_text_of_the_card_is_another_case(machine: FakeMachine, segbench: Segbench, tmp_path: Path) -> None:
    card = tmp_path / "mine.toml"
    command = ("latency", "-m", "segnode", "--device", "cpu", "-d", str(card), "--rounds", "2", "--reuse")
    asked = []
    for text in (OWN_CARD, OWN_CARD, OWN_CARD.replace("sky", "air")):
        card.write_text(text)
        assert segbench(*command).exit_code == 0
        asked.append(len(machine.cases))
    assert 0 < asked[0] == asked[1] < asked[2]


def test_a_mistake_in_a_users_card_is_told_before_anything_runs(
    machine: FakeMachine, segbench: Segbench, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("widht = 3\n" + OWN_CARD)
    result = segbench("latency", "-m", "segnode", "--device", "cpu", "-d", str(tmp_path / "mine.toml"))
    assert result.exit_code == 2
    assert "unknown key 'widht'" in flat(result.stderr)
    assert machine.cases == []


def test_epoch_at_the_largest_batch_asks_for_it_first(machine: FakeMachine, segbench: Segbench) -> None:
    from segbench.records.measurement import Measurement

    usual = machine.rows

    def rows(case):  # type: ignore[no-untyped-def]
        if case.task == "max_batch":
            yield Measurement("max_batch", 7 if case.model == "segnode" else 3, "predicted", "train")
        else:
            yield from usual(case)

    machine.rows = rows  # type: ignore[method-assign]
    result = segbench("epoch", *TWO, "-b", "max", "--budget", "32GB")
    assert result.exit_code == 0
    batches = {case.model: case.batch_size for case in machine.cases if case.task == "epoch"}
    assert batches == {"segnode": 7, "hrnetv2": 3}


def test_params_puts_counters_side_by_side_and_flags_disagreement(machine: FakeMachine, segbench: Segbench) -> None:
    result = segbench("params", "-m", "unet", "--modules", "1")
    assert result.exit_code == 0
    shown = flat(result.stdout)
    for text in ("1 MAC = 2 FLOPs", "1.00 G", "2.00 G !", "torch disagrees; it skips add 3", "relu 2", "body Conv2d 4"):
        assert text in shown
