"""The loop: step after step until the budget is used, logged, validated, and saved so that a kill costs little."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segbench.errors import CheckpointError, UserError
from segbench.learning.checkpoint import read_last, save_checkpoint
from segbench.learning.clock import TrainingClock, tick_of, wait_of
from segbench.learning.curve import plot_curve
from segbench.learning.distributed import World
from segbench.learning.ema import Ema
from segbench.learning.feed import Feed, TrainingBatch, batches, require_shares
from segbench.learning.log import LOG, TrainingLog
from segbench.learning.objective import Objective
from segbench.learning.optimizer import training_optimizer
from segbench.learning.plan import TrainingPlan
from segbench.learning.schedule import rate
from segbench.learning.state import TrainingState
from segbench.learning.stepper import Stepper

_LOG_EVERY = 20
"""Steps between rows of the log."""

_TELL_EVERY_S = 1.0
"""Wall seconds between progress events."""

Validate = Callable[[nn.Module], Mapping[str, float]]
"""Scores of a network on the validation set by name; higher is better."""


@dataclass(frozen=True)
class StepProgress:
    """Where a training is, for whoever watches.

    Attributes:
        step: steps done.
        steps: the expected total; for a budget in minutes an estimate.
        loss: mean since the last row of the log, nan before the first.
        scores: of the last validation, empty before the first.
        images_per_s: of wall time in training steps, since the run was last started.
        eta_s: wall seconds of training steps that are left.
    """

    step: int
    steps: int
    loss: float
    scores: Mapping[str, float]
    images_per_s: float
    eta_s: float


@dataclass(frozen=True)
class TrainingJob:
    """What is to be trained, on what, and where it is kept.

    Attributes:
        objective: network and loss, on `device`.
        feed: of training images.
        validate: called every now and then, with the network in the weights to be saved; None never.
        scores: the names that `validate` gives, the one that `best` goes by first.
        folder: of the run.
        facts: for the checkpoints: `model`, `card`, `data` ...
        tell: hears progress, about once a second.
    """

    objective: Objective
    feed: Feed
    plan: TrainingPlan
    device: torch.device
    folder: Path
    facts: Mapping[str, Any]
    validate: Validate | None = None
    scores: tuple[str, ...] = ("miou",)
    tell: Callable[[StepProgress], None] | None = None


@dataclass(frozen=True)
class Summary:
    """What came of a run.

    Attributes:
        steps, seconds: done and used, by the budget's clock, earlier parts of a continued run included.
        scores: of the last validation.
        best, best_step: the best score of the decisive kind; None and 0 without validation.
        trained: steps since the run was last started.
        wall_s: seconds of wall time that these steps took.
    """

    steps: int
    seconds: float
    scores: Mapping[str, float]
    best: float | None
    best_step: int
    trained: int
    wall_s: float


class Trainer:
    """Runs a job.

    Args:
        job: what to do.
        world: the processes that do it together, each with the same job.

    Raises:
        UserError: the batch cannot be shared out evenly.
    """

    def __init__(self, job: TrainingJob, world: World | None = None) -> None:
        self._job, self._world = job, world or World()
        plan, network = job.plan, job.objective.network
        require_shares(plan, self._world.size)
        cuda_half = plan.precision == "fp16" and job.device.type == "cuda"
        self.state = TrainingState(
            network=network,
            optimizer=training_optimizer(network, plan.recipe),
            scaler=torch.amp.GradScaler(job.device.type, enabled=cuda_half),
            ema=Ema(network, plan.recipe.ema) if plan.recipe.ema else None,
            loss_sum=torch.zeros((), dtype=torch.float64, device=job.device),
        )
        self._stepper = Stepper(job.objective, self.state, plan, self._world)
        tick, wait = tick_of(job.device.type), wait_of(job.device)
        self._clock = TrainingClock(plan, job.feed.images_per_epoch, tick, wait=wait)
        self._trained, self._wall_s = 0, 0.0
        self._loss = math.nan

    def resume(self) -> bool:
        """Takes up an earlier run of the same plan and data from its folder; whether there was one.

        Raises:
            CheckpointError: no whole checkpoint is left, or it belongs to another plan or other data.
        """
        found = read_last(self._job.folder)
        if found is None:
            return False
        _require_same_run(self._job, found.facts)
        self.state.restore(found)
        self._clock.used = self.state.seconds
        return True

    def run(self) -> Summary:
        """Trains until the budget is used; a job that had finished only tells its summary.

        Raises:
            UserError: the loss is no longer a number.
            CheckpointError: a checkpoint cannot be written.
        """
        job, state = self._job, self.state
        log = TrainingLog(job.folder / LOG, job.scores, state.step) if self._world.is_first else None
        stream = batches(job.feed, job.plan, state.step, job.device, self._world.rank, self._world.size)
        saved = told = time.monotonic()
        start = progress = self._progress()
        while progress < 1:
            lr = rate(job.plan.recipe, state.step, progress)
            self._step(stream, lr, progress)
            before, progress = progress, self._progress()
            validated = self._validated() if self._is_due(before, progress) else {}
            if validated or state.step % _LOG_EVERY == 0:
                self._settle()
                self._log_row(log, lr, validated)
            if time.monotonic() - saved >= job.plan.save_every_s:
                self._settle()
                self._save()
                saved = time.monotonic()
            if job.tell is not None and time.monotonic() - told >= _TELL_EVERY_S:
                job.tell(self._told(start, progress))
                told = time.monotonic()
        return self._finished()

    def _step(self, stream: Iterator[list[TrainingBatch]], lr: float, progress: float) -> None:
        state = self.state
        begun = time.perf_counter()
        with self._clock.running():
            loss = self._stepper.step(next(stream), lr, progress)
        self._wall_s += time.perf_counter() - begun
        state.loss_sum += loss
        state.loss_count += 1
        state.step += 1
        self._trained += 1
        state.seconds = self._clock.used

    def _settle(self) -> None:
        """Waits for the steps that were launched, so that their time is not taken for that of what comes next."""
        begun = time.perf_counter()
        self._clock.settle()
        self._wall_s += time.perf_counter() - begun
        self.state.seconds = self._clock.used

    def _progress(self) -> float:
        """Share of the budget used, the same in every process."""
        return self._world.first_says(self._clock.progress(self.state.step), self._job.device)

    def _is_due(self, before: float, after: float) -> bool:
        """Whether a validation lies between two moments; the end is always one."""
        times = self._job.plan.validations
        return self._job.validate is not None and int(min(after, 1.0) * times) > int(before * times)

    def _validated(self) -> Mapping[str, float]:
        """Scores of the weights that are to be kept; the best so far are saved."""
        state, job = self.state, self._job
        assert job.validate is not None
        self._settle()
        self._require_sound()
        with state.ema.applied(state.network) if state.ema else nullcontext():
            self._world.share_buffers(state.network)
            scores = job.validate(state.network)
        state.scores = dict(scores)
        score = scores[job.scores[0]]
        if score > state.best:
            state.best, state.best_step = score, state.step
            if self._world.is_first:
                save_checkpoint(state.best_checkpoint(self._facts()), job.folder / "best.safetensors")
        return scores

    def _log_row(self, log: TrainingLog | None, lr: float, scores: Mapping[str, float]) -> None:
        """Writes what happened since the last row, and starts counting anew."""
        state, plan = self.state, self._job.plan
        self._loss = self._mean_loss()
        images = state.loss_count * plan.recipe.batch_size
        seconds = state.seconds - state.row_seconds
        if log is not None:
            row = {
                "step": state.step,
                "epoch": state.step * plan.recipe.batch_size / self._job.feed.images_per_epoch,
                "seconds": state.seconds,
                "lr": lr,
                "loss": self._loss,
                "images_per_s": images / seconds if seconds else math.nan,
            }
            log.add({**row, **scores})
        state.loss_sum.zero_()
        state.loss_count, state.row_seconds = 0, state.seconds

    def _mean_loss(self) -> float:
        state = self.state
        loss = float(state.loss_sum) / max(1, state.loss_count)
        if not math.isfinite(loss):
            lr, clip = self._job.plan.recipe.lr, self._job.plan.recipe.clip
            advice = "a smaller --lr, a --warmup of some hundred steps" + ("" if clip else ", or --clip 5")
            raise UserError(f"the loss is {loss} by step {state.step} at learning rate {lr:g}; try {advice}")
        return loss

    def _require_sound(self) -> None:
        """Refuses to go on from, to score and to keep weights that are no numbers.

        Raises:
            UserError: says where it was seen.
        """
        self._mean_loss()
        spoilt = [name for name, weight in self.state.network.named_parameters() if not torch.isfinite(weight).all()]
        if spoilt:
            raise UserError(
                f"weights are NaN or infinite at step {self.state.step} ({spoilt[0]}), though the loss was a number;"
                " look for a root or a logarithm of 0 in the network, or try --clip 5"
            )

    def _save(self) -> None:
        """Keeps the state, unless it is spoilt already."""
        self._require_sound()
        if self._world.is_first:
            checkpoint = self.state.checkpoint(self._facts())
            save_checkpoint(checkpoint, self._job.folder / "last.safetensors", keep_previous=True)

    def _facts(self) -> dict[str, Any]:
        plan = self._job.plan
        rng = {"seed": plan.seed, "drawn_from": "(seed, step), (seed, position in the stream of images)"}
        return {**self._job.facts, "plan": plan.to_json(), "rng": rng, "torch": torch.__version__}

    def _told(self, start: float, progress: float) -> StepProgress:
        """Where the run is, `progress` of its budget being used now and `start` when it was last started."""
        state = self.state
        return StepProgress(
            step=state.step,
            steps=round(state.step / progress),
            loss=self._loss,
            scores=state.scores,
            images_per_s=self._trained * self._job.plan.recipe.batch_size / self._wall_s,
            eta_s=self._wall_s / (progress - start) * (1 - progress),
        )

    def _finished(self) -> Summary:
        state, job = self.state, self._job
        if self._trained:
            self._settle()
            self._save()
        if self._world.is_first:
            plot_curve(job.folder / LOG, job.scores[0], str(job.facts.get("title", "")), job.folder / "curve.png")
        self._world.wait()
        best = state.best if math.isfinite(state.best) else None
        return Summary(state.step, state.seconds, state.scores, best, state.best_step, self._trained, self._wall_s)


_MAY_CHANGE = ("workers", "save_every_s")
"""Parts of a plan that do not change what is learnt."""


_IDENTITY = ("model", "data", "val_split", "classes", "output", "aux_weight")
"""Facts that all parts of a run share."""


def _require_same_run(job: TrainingJob, facts: Mapping[str, Any]) -> None:
    """Refuses to continue a run with another plan, network or data.

    Raises:
        CheckpointError: names what differs.
    """
    found = job.plan.differences(TrainingPlan.from_json(facts["plan"]))
    found = [item for item in found if not item.startswith(_MAY_CHANGE)]
    pairs = [(name, job.facts[name], facts[name]) for name in _IDENTITY if name in job.facts and name in facts]
    mine, its = _arguments(job.facts), _arguments(facts)
    pairs += [(f"argument {name}", mine.get(name), its.get(name)) for name in sorted(mine.keys() | its)]
    found += [f"{name}: {now}, not {then}" for name, now, then in pairs if now != then]
    if found:
        advice = "give the same options, or choose another folder with -o"
        raise CheckpointError(f"the run in {job.folder} cannot be continued: {'; '.join(found)}; {advice}")


def _arguments(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The builder and what it was given."""
    card = facts.get("card", {})
    given = {"builder": card.get("builder"), **card.get("arguments", {}), **facts.get("arguments", {})}
    return dict(json.loads(json.dumps(given)))  # no tuples
