"""The command line of `segbench train` and `segbench evaluate`, with a machine that answers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from segbench import nvml
from segbench.cards.catalogue import models_folder
from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cli import session
from segbench.cli.checkpoints import SHIPPED
from segbench.devices import choice
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Ledger
from segbench.records.measurement import Measurement

Segbench = Callable[..., Result]
ENVIRONMENT = Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)


def write_header(path: Path, **facts: object) -> None:
    """A checkpoint that says where it comes from and holds nothing."""
    header = json.dumps({"__metadata__": {"segbench": json.dumps(facts)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


class FakeTrainer:
    """Trains and evaluates in no time; tells of a validation on the way."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.interrupted = False

    def run(self, case: Case, timeout_s: float, listen: Listener) -> CellResult:
        self.cases.append(case)
        if self.interrupted:
            raise KeyboardInterrupt
        extra = {"loss": 0.4, "scores": {"miou": 0.5}, "images_per_s": 25.0, "eta_s": 3723.0}
        listen(case, "progress", {"stage": "step", "done": 10, "total": 100, "extra": extra})
        rows = self.trained() if case.task == "train" else self.evaluated(case)
        return CellResult(case, "ok", None, ENVIRONMENT, rows, 0.1)

    def trained(self) -> tuple[Measurement, ...]:
        detail = {"best": 0.6, "best_step": 90, "steps": 100, "seconds": 75.0}
        return (
            Measurement("miou", 0.573, "measured:host", detail=detail),
            Measurement("train_step_s", 0.3, "measured:host", mode="train"),
        )

    def evaluated(self, case: Case) -> tuple[Measurement, ...]:
        against = {"against": "runs/other/evaluation.npz", "other_miou": 0.92, "other_protocol": {}}
        protocol = {"name": "flip", "width": 240, "height": 180, "scales": [1.0], "flip": True, "window": None}
        detail = {"iou": {"sky": 0.9, "pole": None}, "miou_absent_as_zero": 0.45, "images": 101, "protocol": protocol}
        miou = Measurement("miou", 0.9, "measured:host", detail=detail)
        spread = {"spread_low": -0.03, "spread_high": -0.01}
        difference = Measurement("miou_difference", -0.02, "measured:host", detail=against, **spread)  # type: ignore[arg-type]
        return (miou, difference) if case.options.against else (miou,)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> FakeTrainer:
    fake = FakeTrainer()
    monkeypatch.setattr(session, "local_executor", lambda *_: LocalExecutor(fake.run, workers=1))
    monkeypatch.delenv("RANK", raising=False)
    return fake


TRAIN = ("train", "-m", "segnode-w8", "-d", "synthetic", "--device", "cpu")


def test_a_training_follows_the_card_unless_told_otherwise(trainer: FakeTrainer, segbench: Segbench) -> None:
    assert segbench(*TRAIN, "--epochs", "2").exit_code == 0
    (case,) = trainer.cases
    assert (case.width, case.height, case.batch_size, case.channels_last) == (240, 180, 8, True)
    assert case.options.folder == "runs/segnode-w8-synthetic"
    assert case.options.epochs == 2 and case.options.label_stride == 2 and case.options.val_split == "val"
    assert case.options.lr is None and case.options.minutes is None


@pytest.mark.parametrize(
    ("flags", "channels_last"),
    [
        ((), False),
        (("--precision", "bf16"), True),
        (("--tf32",), True),
        (("--precision", "bf16", "--no-channels-last"), False),
        (("--channels-last",), True),
    ],
)
def test_on_cuda_the_layout_is_that_of_the_tensor_cores_where_they_compute(
    trainer: FakeTrainer,
    segbench: Segbench,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    channels_last: bool,
) -> None:
    monkeypatch.setattr(nvml, "visible_gpus", lambda: [nvml.Gpu(0, "Tesla V100", 32 * 10**9, 0)])
    monkeypatch.setattr(choice, "package_version", lambda _: "2.13.0")
    assert segbench(*TRAIN[:-1], "cuda", "--epochs", "2", *flags).exit_code == 0
    assert trainer.cases[0].channels_last is channels_last


def test_flags_reach_the_case(trainer: FakeTrainer, segbench: Segbench) -> None:
    flags = ("--minutes", "1.5", "--lr", "0.1", "--input", "64x48", "-b", "4", "--supervision", "end", "-o", "here")
    assert segbench(*TRAIN, *flags, "--val-split", "none", "--scale-jitter", "0.5:2", "--resume").exit_code == 0
    (case,) = trainer.cases
    assert (case.width, case.height, case.batch_size) == (64, 48, 4)
    assert (case.options.minutes, case.options.lr, case.options.supervision) == (1.5, 0.1, "end")
    assert (case.options.folder, case.options.val_split, case.options.scale_jitter) == ("here", None, "0.5:2")
    assert case.options.resume is True


def test_the_table_and_the_ledger_hold_the_scores(trainer: FakeTrainer, segbench: Segbench, tmp_path: Path) -> None:
    result = segbench(*TRAIN, "--epochs", "2")
    for text in ("57.3 %", "60.0 %", "90", "75.0 s", "300 ms", "runs/segnode-w8-synthetic", "Test CPU"):
        assert text in result.stdout
    assert "loss 0.400, miou 50.0 %, 25.0 images/s, 1:02:03 left" in result.stderr
    (entry,) = Ledger(tmp_path / "segbench-runs").entries()
    assert entry.outcome == "ok"


def test_several_networks_have_folders_of_their_own(trainer: FakeTrainer, segbench: Segbench) -> None:
    segbench(*TRAIN, "-m", "unet-w8", "--epochs", "1")
    assert [case.options.folder for case in trainer.cases] == ["runs/segnode-w8-synthetic", "runs/unet-w8-synthetic"]


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (("--resume", "--overwrite"), "choose one"),
        (("--minutes", "2"), "--epochs and --minutes are two budgets"),
        (("-m", "unet-w8", "-o", "x"), "cannot share the folder"),
        (("--task", "dream"), "segment or classify"),
        (("-d", "camvit"), "did you mean camvid"),
        (("--input", "big"), "480x360"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    trainer: FakeTrainer, segbench: Segbench, flags: tuple[str, ...], advice: str
) -> None:
    result = segbench(*TRAIN, "--epochs", "1", *flags)
    assert result.exit_code == 2 and advice in result.stderr
    assert not trainer.cases


def test_a_card_without_epochs_needs_a_budget(trainer: FakeTrainer, segbench: Segbench) -> None:
    result = segbench(*TRAIN)
    assert result.exit_code == 2 and "give --epochs, --steps or --minutes" in result.stderr


def test_pretraining_needs_a_folder(trainer: FakeTrainer, segbench: Segbench, tmp_path: Path) -> None:
    asked = ("train", "-m", "segnode-w8", "--device", "cpu", "--task", "classify", "--epochs", "1")
    assert "train/CLASS" in segbench(*asked).stderr
    result = segbench(*asked, "--data-root", str(tmp_path), "--scale-jitter", "1:2", "--skip-broken")
    assert result.exit_code == 2 and "knows no --scale-jitter or --skip-broken; leave it out" in result.stderr
    assert segbench(*asked, "--data-root", str(tmp_path)).exit_code == 0
    assert trainer.cases[0].data_root == str(tmp_path) and trainer.cases[0].dataset is None


def test_an_interrupted_training_says_how_to_go_on(trainer: FakeTrainer, segbench: Segbench) -> None:
    trainer.interrupted = True
    result = segbench(*TRAIN, "--epochs", "1")
    assert result.exit_code == 130 and "--resume" in result.stderr


def test_an_evaluation_without_a_checkpoint_says_how_to_train_one(trainer: FakeTrainer, segbench: Segbench) -> None:
    result = segbench("evaluate", "-m", "segnode-w8", "-d", "synthetic", "--device", "cpu")
    assert result.exit_code == 2
    assert "segbench train -m segnode-w8 -d synthetic" in result.stderr


def test_an_evaluation_shows_images_as_in_training(trainer: FakeTrainer, segbench: Segbench, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "segnode-w8-synthetic"
    run.mkdir(parents=True)
    write_header(run / "best.safetensors", plan={"width": 96, "height": 72}, data={"dataset": "synthetic"})
    result = segbench("evaluate", "-m", "segnode-w8", "--device", "cpu", "--protocol", "flip", "--format", "csv")
    (case,) = trainer.cases
    assert (case.width, case.height, case.split) == (96, 72, "val")
    assert case.options.checkpoint == "runs/segnode-w8-synthetic/best.safetensors"
    assert case.options.folder == "runs/segnode-w8-synthetic/evaluation-val-flip"
    header, row = result.stdout.splitlines()
    found = dict(zip(header.split(","), row.split(","), strict=True))
    assert (found["quantity"], found["value"], found["dataset"], found["split"]) == ("miou", "0.9", "synthetic", "val")


def test_each_way_of_asking_has_a_folder_and_the_networks_own_arguments(
    trainer: FakeTrainer, segbench: Segbench, tmp_path: Path
) -> None:
    facts = {"plan": {"width": 96, "height": 72}, "arguments": {"steps": 8}, "data": {"dataset": "camvid"}}
    (tmp_path / "s8").mkdir()
    write_header(tmp_path / "s8" / "best.safetensors", **facts)
    evaluate = ("evaluate", "-m", "segnode-w8", "--device", "cpu", "--checkpoint", "s8")
    segbench(*evaluate)
    segbench(*evaluate, "--precision", "bf16", "--no-boundary", "-a", "steps=2")
    assert [case.options.folder for case in trainer.cases] == [
        "s8/evaluation-val-single-data=synthetic",
        "s8/evaluation-val-single-data=synthetic-steps=2-precision=bf16-boundary=no",
    ]
    assert [dict(case.arguments) for case in trainer.cases] == [{"steps": 8}, {"steps": 2}]
    assert [entry.arguments["steps"] for entry in Ledger(Path("segbench-runs")).entries()] == [8, 2]


def test_an_evaluation_takes_the_weights_that_come_with_a_card(trainer: FakeTrainer, segbench: Segbench) -> None:
    assert segbench("evaluate", "-m", SHIPPED, "--device", "cpu").exit_code == 0
    (case,) = trainer.cases
    assert case.options.checkpoint == str(models_folder() / f"{SHIPPED}.safetensors")
    assert case.options.folder == f"runs/{SHIPPED}-synthetic/evaluation-val-single"


def test_a_run_is_named_by_its_folder_too(trainer: FakeTrainer, segbench: Segbench, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "best.safetensors").write_bytes(b"")
    assert segbench("evaluate", "-m", "segnode-w8", "--device", "cpu", "--checkpoint", "mine").exit_code == 0
    (case,) = trainer.cases
    assert case.options.checkpoint == "mine/best.safetensors"
    assert case.options.folder == "mine/evaluation-val-single"


def test_each_way_of_asking_a_run_keeps_its_own_files_and_new_weights_are_a_new_case(
    trainer: FakeTrainer, segbench: Segbench, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    last = tmp_path / "mine" / "last.safetensors"
    asked = ("evaluate", "-m", "segnode-w8", "--device", "cpu", "--checkpoint", "mine/last.safetensors")
    for weights in (b"early", b"late"):
        last.write_bytes(weights)
        assert segbench(*asked, "--flip", "-a", "steps=8", "--reuse").exit_code == 0
    first, second = trainer.cases
    assert first.options.folder == "mine/evaluation-val-single-last-flip=True-steps=8"
    assert first.options.weights != second.options.weights
    (tmp_path / "mine" / "evaluation-val-single-last").mkdir()
    (tmp_path / "mine" / "evaluation-val-single-last" / "evaluation.npz").write_bytes(b"")
    result = segbench(*asked, "--against", "mine/evaluation-val-single-last")
    assert result.exit_code == 2 and "choose a folder with -o" in result.stderr


def test_foreign_weights_come_with_a_map_of_their_classes(
    trainer: FakeTrainer, segbench: Segbench, tmp_path: Path
) -> None:
    (tmp_path / "w.pth").write_bytes(b"")
    asked = ("evaluate", "-m", "segnode-w8", "-d", "synthetic", "--device", "cpu", "--weights", "w.pth")
    result = segbench(*asked, "--label-map", "cityscapes", "--partial")
    (case,) = trainer.cases
    assert result.exit_code == 0 and dict(case.options.label_map)["road"] is not None
    assert case.options.folder == "evaluation-val-single-w-classes=cityscapes-partial=yes"
    assert segbench(*asked, "--label-map", "cityscape").exit_code == 2


@pytest.mark.parametrize("command", ["train", "evaluate", "trajectory"])
def test_a_folder_of_data_without_the_name_of_a_data_set_is_refused(
    trainer: FakeTrainer, segbench: Segbench, tmp_path: Path, command: str
) -> None:
    budget = ("--epochs", "1") if command == "train" else ()
    result = segbench(command, "-m", "segnode-w8", "--data-root", str(tmp_path), "--device", "cpu", *budget)
    assert result.exit_code == 2 and "say with -d which data set lies there" in result.stderr
    assert trainer.cases == []


def test_the_tables_of_an_evaluation_state_both_conventions(
    trainer: FakeTrainer, segbench: Segbench, tmp_path: Path
) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"")
    result = segbench("evaluate", "-m", "segnode-w8", "--device", "cpu", "--checkpoint", "x.safetensors")
    for text in ("90.0 %", "45.0 %", "absent as 0", "flip at 240x180, mirrored too", "sky", "101 images"):
        assert text in result.stdout


def test_a_comparison_says_points_and_interval(trainer: FakeTrainer, segbench: Segbench, tmp_path: Path) -> None:
    (tmp_path / "evaluation.npz").write_bytes(b"")
    asked = ("evaluate", "-m", SHIPPED, "--device", "cpu", "--format", "markdown")
    result = segbench(*asked, "--against", ".")
    assert trainer.cases[0].options.against == "evaluation.npz"
    assert "-2.0 (-3.0 to -1.0)" in result.stdout
    assert "difference to runs/other/evaluation.npz (92.0 %): points of mIoU" in result.stdout
    result = segbench(*asked, "--against", "nowhere")
    assert result.exit_code == 2 and "there is no evaluation nowhere" in result.stderr


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("torchrun")  # two launchers at once may choose one free port
def test_two_processes_of_torchrun_train_one_network_and_the_first_reports(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "segbench", "train", "-m", "segnode-w8", "-d", "synthetic:size=64x48,count=6"]
    flags = ["--steps", "3", "-b", "4", "--device", "cpu", "--threads", "1", "--format", "csv", "--validations", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([*command, *flags], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert sum(",miou," in line for line in lines) == 1
    assert (tmp_path / "runs" / "segnode-w8-synthetic" / "best.safetensors").is_file()
    assert len(Ledger(tmp_path / "segbench-runs").entries()) == 1
