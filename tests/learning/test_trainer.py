"""A network of two convolutions learns to tell dark from bright, under every kind of budget."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from segbench.cards.card import Recipe
from segbench.data import Sample
from segbench.errors import CheckpointError, UserError
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.protocol import Protocol
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.checkpoint import read_checkpoint
from segbench.learning.feed import Feed, LabelledAugmenter
from segbench.learning.log import read_log
from segbench.learning.objective import Segmentation
from segbench.learning.plan import TrainingPlan
from segbench.learning.trainer import StepProgress, Trainer, TrainingJob
from segbench.learning.weights import fill
from segbench.zoo import Moment


class Blocks:
    """Noise with a bright rectangle; class 1 is the rectangle, and some pixels are ignored."""

    classes = 2

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        image = rng.integers(0, 120, (24, 32, 3), dtype=np.uint8)
        label = np.zeros((24, 32), np.uint8)
        top, left = rng.integers(0, 12, 2)
        image[top : top + 10, left : left + 14] += 120
        label[top : top + 10, left : left + 14] = 1
        label[:, : index % 4] = 255
        return Sample(image, label, str(index))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 2, 1)
    )


def settings(**changes: Any) -> TrainingPlan:
    recipe = Recipe(optimizer="adamw", lr=0.02, weight_decay=0.01, batch_size=4, warmup_steps=3, clip=1.0, ema=0.9)
    values = {"recipe": recipe, "width": 16, "height": 12, "steps": 30, "validations": 3, "save_every_s": 1000.0}
    return TrainingPlan(**{**values, **changes})


def job(folder: Path, plan: TrainingPlan | None = None, **changes: Any) -> TrainingJob:
    plan = plan or settings()
    model = network()

    def validate(candidate: nn.Module) -> dict[str, float]:
        found = evaluate(candidate, Blocks(), Protocol(width=plan.width, height=plan.height))
        return {"miou": found.confusion.miou(), "pixel_accuracy": found.confusion.pixel_accuracy}

    values: dict[str, Any] = {
        "objective": Segmentation(model, PixelLoss()),
        "feed": Feed(LabelledAugmenter(Blocks(), plan), plan.seed),
        "plan": plan,
        "device": torch.device("cpu"),
        "folder": folder,
        "facts": {"model": "tiny", "data": "blocks"},
        "validate": validate,
        "scores": ("miou", "pixel_accuracy"),
    }
    return TrainingJob(**{**values, **changes})


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns_and_leaves_a_whole_run_folder(tmp_path):
    summary = Trainer(job(tmp_path, settings(steps=120))).run()
    assert summary.steps == 120 and summary.trained == 120
    assert summary.best is not None and summary.best > 0.8
    assert {path.name for path in tmp_path.iterdir()} == {
        *("last.safetensors", "last.json", "best.safetensors", "best.json", "log.csv", "curve.png")
    }
    rows = read_log(tmp_path / "log.csv")
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert [row["step"] for row in rows if row["miou"]] == ["40", "80", "120"]
    assert float(rows[-1]["epoch"]) == pytest.approx(48)


class Watched(Segmentation):
    """Writes down how far each step was told the training is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, PixelLoss())
        self.told: list[float] = []

    def forward(self, images: torch.Tensor, targets: torch.Tensor, moment: Moment) -> torch.Tensor:
        self.told.append(moment.progress)
        return super().forward(images, targets, moment)


def test_every_step_knows_how_far_the_training_is(tmp_path):
    watched = Watched(network())
    Trainer(job(tmp_path, settings(steps=5), objective=watched, validate=None)).run()
    assert watched.told == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])


def test_the_best_weights_are_kept_and_score_what_was_logged(tmp_path):
    summary = Trainer(job(tmp_path)).run()
    found = network()
    checkpoint = read_checkpoint(tmp_path / "best.safetensors")
    fill(found, checkpoint, tmp_path)
    assert checkpoint.facts["step"] == summary.best_step
    again = evaluate(found, Blocks(), Protocol(width=16, height=12)).confusion.miou()
    assert again == pytest.approx(summary.best, abs=1e-12)


def test_equal_plans_give_equal_weights_and_other_seeds_do_not(tmp_path):
    runs = [Trainer(job(tmp_path / str(n), settings(seed=n // 2))) for n in range(3)]
    for run in runs:
        run.run()
    assert same_weights(runs[0].state.network, runs[1].state.network)
    assert not same_weights(runs[0].state.network, runs[2].state.network)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("at", [1, 9, 10, 20, 29])
def test_a_run_that_stops_anywhere_goes_on_to_the_same_bits(tmp_path, monkeypatch, at):
    monkeypatch.setattr("segbench.learning.trainer._LOG_EVERY", 7)
    monkeypatch.setattr("segbench.learning.trainer._TELL_EVERY_S", 0.0)
    whole = Trainer(job(tmp_path / "whole"))
    whole.run()

    def stop(progress: StepProgress) -> None:
        if progress.step == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        Trainer(job(tmp_path / "cut", settings(save_every_s=0.0), tell=stop)).run()
    again = Trainer(job(tmp_path / "cut"))
    assert again.resume() and again.state.step == at
    summary = again.run()
    assert same_weights(whole.state.network, again.state.network)
    last = [read_checkpoint(tmp_path / name / "last.safetensors") for name in ("whole", "cut")]
    assert all(torch.equal(last[0].tensors[name], value) for name, value in last[1].tensors.items())
    kept = ("step", "epoch", "lr", "loss", "miou", "pixel_accuracy")
    logs = [read_log(tmp_path / name / "log.csv") for name in ("whole", "cut")]
    assert [[row[name] for name in kept] for row in logs[0]] == [[row[name] for name in kept] for row in logs[1]]
    assert summary.best == whole.state.best


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = Trainer(job(tmp_path)).run()
    again = Trainer(job(tmp_path))
    assert again.resume()
    second = again.run()
    assert second.steps == first.steps and second.scores == first.scores and not second.trained


def test_nothing_to_resume_is_said(tmp_path):
    assert not Trainer(job(tmp_path)).resume()


def test_another_plan_or_other_data_are_refused_by_name(tmp_path):
    Trainer(job(tmp_path)).run()
    with pytest.raises(CheckpointError, match="seed: 1, not 0"):
        Trainer(job(tmp_path, settings(seed=1))).resume()
    with pytest.raises(CheckpointError, match="data: other, not blocks"):
        Trainer(job(tmp_path, facts={"model": "tiny", "data": "other"})).resume()
    assert Trainer(job(tmp_path, settings(workers=1, save_every_s=5.0))).resume()


def test_parts_of_a_batch_give_the_gradients_of_the_whole(tmp_path):
    plain = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    weights = {name: value.clone() for name, value in plain.state_dict().items()}
    found = []
    for parts in (1, 4):
        plain.load_state_dict(weights)
        plan = settings(accumulate=parts, steps=5, recipe=Recipe(lr=0.1, batch_size=4))
        Trainer(job(tmp_path / str(parts), plan, objective=Segmentation(plain, PixelLoss()))).run()
        found.append({name: value.clone() for name, value in plain.state_dict().items()})
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-6, rtol=1e-5)


def test_a_budget_in_minutes_ends_and_its_schedule_falls_to_the_end(tmp_path, monkeypatch):
    readings = itertools.count()
    monkeypatch.setattr("segbench.learning.trainer.tick_of", lambda _: lambda: next(readings) / 64)
    plan = settings(steps=None, minutes=0.01)
    summary = Trainer(job(tmp_path, plan)).run()
    assert summary.steps == 39 and summary.seconds == 39 / 64
    rows = read_log(tmp_path / "log.csv")
    assert float(rows[-1]["lr"]) < 0.2 * plan.recipe.lr
    assert sum(bool(row["miou"]) for row in rows) == 3


def test_a_loss_that_is_no_number_ends_the_run_with_advice(tmp_path):
    broken = settings(recipe=Recipe(lr=1e30, batch_size=4))
    with pytest.raises(UserError, match=r"by step 20 at learning rate 1e\+30; .*--clip"):
        Trainer(job(tmp_path, broken, validate=None)).run()
    assert not (tmp_path / "last.safetensors").exists()


def test_without_validation_there_is_no_best(tmp_path):
    summary = Trainer(job(tmp_path, validate=None)).run()
    assert summary.best is None and summary.scores == {}
    assert not (tmp_path / "best.safetensors").exists()


def test_progress_is_told_with_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("segbench.learning.trainer._TELL_EVERY_S", 0.0)
    told: list[StepProgress] = []
    Trainer(job(tmp_path, tell=told.append)).run()
    assert [item.step for item in told] == list(range(1, 31))
    assert {item.steps for item in told} == {30}
    assert told[-1].eta_s == 0 and told[0].eta_s > 0 and told[0].images_per_s > 0
    assert math.isnan(told[0].loss) and not math.isnan(told[-1].loss)
    assert set(told[-1].scores) == {"miou", "pixel_accuracy"}


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"channels_last": True}, {"label_stride": 2}])
def test_every_switch_trains(tmp_path, change):
    plan = settings(steps=3, **change)
    prepared = job(tmp_path, plan)
    if plan.channels_last:
        prepared.objective.to(memory_format=torch.channels_last)
    assert Trainer(prepared).run().steps == 3


class NoNumbers(nn.Module):
    """Answers NaN in eval mode only, or has weights that become NaN with one update, the loss being a number."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.root = nn.Parameter(torch.zeros(1))
        self.kind = kind

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.layer(images)
        if self.kind == "eval":
            return scores if self.training else scores * math.nan
        return scores + self.root.abs().sqrt()


def test_a_network_that_answers_nan_in_validation_has_no_best_checkpoint(tmp_path):
    objective = Segmentation(NoNumbers("eval"), PixelLoss())
    with pytest.raises(UserError, match="NoNumbers answers NaN or infinity for image 0"):
        Trainer(job(tmp_path, settings(steps=6), objective=objective)).run()
    assert not (tmp_path / "best.safetensors").exists()


@pytest.mark.parametrize("validates", [True, False])
def test_weights_that_are_no_numbers_are_neither_scored_nor_kept(tmp_path, validates):
    """The root of 0 is a number and its slope is not: only the weights show it."""
    plan = settings(steps=1, validations=1)
    changes = {} if validates else {"validate": None}
    with pytest.raises(UserError, match=r"weights are NaN or infinite at step 1 \("):
        Trainer(job(tmp_path, plan, objective=Segmentation(NoNumbers("root"), PixelLoss()), **changes)).run()
    assert not list(tmp_path.glob("*.safetensors"))
