"""Trains a network in this process, alone or with others under `torchrun`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segbench import __version__
from segbench.cards.model import Model, find_model
from segbench.data import Dataset
from segbench.data.broken import left_out
from segbench.errors import CheckpointError, UserError
from segbench.evaluation.protocol import protocol_of
from segbench.layers.norms import StageBatchNorm2d
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.classify import PROBE_CLASSES, Classification, ImageClassifier, accuracy
from segbench.learning.distributed import World, joined_world, own_device
from segbench.learning.feed import Feed, LabelledAugmenter
from segbench.learning.image_folder import ImageAugmenter, ImageFolder
from segbench.learning.log import LOG, read_log
from segbench.learning.objective import Objective, Segmentation
from segbench.learning.segmentation import SCORES, Tell, Validation, class_weights, open_split
from segbench.learning.settings import training_plan
from segbench.learning.trainer import StepProgress, Summary, Trainer, TrainingJob, Validate
from segbench.learning.weights import initialise
from segbench.libraries.traits import traits_of
from segbench.memory_optimisations.switches import apply_optimisations, lasting
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.measurement import Measurement
from segbench.records.options import TrainOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.parameters import tell_parameters
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter
from segbench.workload.device import device_of
from segbench.workload.images import require_colours
from segbench.workload.network import build_whole, fit_to_size
from segbench.workload.outputs import OutputReader
from segbench.workload.precision import require_trainable


def run(case: Case, report: Reporter) -> None:
    """Trains as the case's options say, and reports the scores of the last validation and the time of a step.

    Options: `folder` of the run; `resume` or `overwrite` what lies there; `init`, a file of weights; `task`, segment or
    classify; `val_split`, or None for no validation; the others are those of `plan_of`.

    Raises:
        UserError: options that do not go together.
        DataError: images that cannot be read.
        CheckpointError: the folder holds a run already, or a checkpoint cannot be read or written.
    """
    device = device_of(replace(case, device=own_device(case.device)))
    with joined_world(device) as world:
        request = _Request(case, find_model(case.model), device, world, report)
        request.check_folder()
        torch.manual_seed(case.seed)
        trainer = Trainer(request.job(), world)
        if request.asked.resume:
            _resume(trainer, report)
        elif request.asked.overwrite:
            request.clear_folder()
        summary = trainer.run()
    tell_parameters(trainer.state.network, case, report)
    for measurement in _rows(summary, device, request.folder / LOG, request.broken):
        report.measured(measurement)
    tell_outputs(request.outputs, case, report)


class _Request:
    """A case on its device, and the job it asks for."""

    def __init__(self, case: Case, model: Model, device: torch.device, world: World, report: Reporter) -> None:
        self.case, self.model, self.device, self.world, self.report = case, model, device, world, report
        self.plan = training_plan(case, model.card.recipe)
        self.asked = case.options_as(TrainOptions)
        self.folder = Path(self.asked.folder)
        self.outputs = OutputReader(classes=case.classes)
        self.classifies = self.asked.task == "classify"
        self.broken: dict[str, int] = {}
        require_trainable(self.plan.precision, device)

    def check_folder(self) -> None:
        """Refuses a folder that holds a run where the user did not say what to do with it.

        Raises:
            CheckpointError: the sentence says what can be done.
        """
        if self._earlier() and not (self.asked.resume or self.asked.overwrite):
            advice = "go on with it with --resume, replace it with --overwrite, or choose another folder with -o"
            raise CheckpointError(f"{self.folder} holds a training already; {advice}")
        self.world.wait()

    def clear_folder(self) -> None:
        """Makes way for a new run; only when everything it needs has been found, which may lie here (`--init`)."""
        if self.world.is_first:
            for path in self._earlier():
                path.unlink()
        self.world.wait()

    def _earlier(self) -> list[Path]:
        """What an earlier run left."""
        return [path for name in ("last", "previous", "best") for path in self.folder.glob(f"{name}.*")]

    def job(self) -> TrainingJob:
        """Data, network and objective put together."""
        return self._classification() if self.classifies else self._segmentation()

    def _segmentation(self) -> TrainingJob:
        case, plan, tell = self.case, self.plan, Progress(self.report)
        images = self._opened(case.split or "train", tell)
        loss = PixelLoss(class_weights(images, plan, self.device), plan.ohem)
        network = self._placed(self._built(case.classes))
        require_colours(self.model.name, traits_of(network))
        validate, outputs = None, OutputReader.of(case, network)
        self.outputs = outputs
        if self.asked.val_split:
            shown = self._opened(self.asked.val_split, tell)
            validate = Validation(shown, protocol_of(case), self.world, self.device, plan.precision, tell, outputs)
        feed = Feed(LabelledAugmenter(images, plan, images.flip_pairs, traits_of(network)), plan.seed)
        facts = self._facts(images.fingerprint, images.class_names)
        objective = Segmentation(network, loss, plan.recipe.supervision, case.classes, outputs)
        return self._job(objective, feed, facts, validate, SCORES)

    def _opened(self, split: str, tell: Tell) -> Dataset:
        """A split; what was left out of it is told, and kept for the rows."""
        asked = self.asked
        found = open_split(self.case, split, self.plan.workers, tell, skip_broken=asked.skip_broken, cache=asked.cache)
        if sentence := left_out(found.broken, len(found), f"{found.name} {split}"):
            self.broken[split] = len(found.broken)
            self.report.note(sentence)
        return found

    def _classification(self) -> TrainingJob:
        plan = self.plan
        images = self._images(self.case.split or "train", None)
        network = self._placed(ImageClassifier(self._built(PROBE_CLASSES), len(images.class_names)))
        val_split = self.asked.val_split
        shown = self._images(val_split, images.class_names) if val_split else None
        validate = partial(accuracy, folder=shown, plan=plan, device=self.device) if shown else None
        facts = self._facts(images.fingerprint, images.class_names)
        feed = Feed(ImageAugmenter(images, plan), plan.seed)
        return self._job(Classification(network), feed, facts, validate, ("image_accuracy",))

    def _job(
        self,
        objective: Objective,
        feed: Feed,
        facts: dict[str, Any],
        validate: Validate | None,
        scores: tuple[str, ...],
    ) -> TrainingJob:
        tell = partial(_tell, self.report)
        return TrainingJob(objective, feed, self.plan, self.device, self.folder, facts, validate, scores, tell)

    def _built(self, classes: int) -> nn.Module:
        case = self.case
        network = build_whole(self.model.card, (case.height, case.width), classes, dict(case.arguments))
        fit_to_size(network, case)
        return network

    def _placed(self, network: nn.Module) -> nn.Module:
        """The network with its first weights, where and as it is to be trained."""
        if self.asked.init:
            init = Path(self.asked.init)
            for sentence in initialise(network, init):
                self.report.note(f"{init.name}: {sentence}")
        apply_optimisations(network, self.model.optimisations)
        self._require_synchronisable(network)
        if self.plan.sync_batch_norm and self.device.type == "cuda" and self.world.is_shared:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        network = network.to(self.device)
        if self.plan.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _require_synchronisable(self, network: nn.Module) -> None:
        """Refuses to synchronise norms that the network's own layers compute: torch would exchange only the module.

        Raises:
            UserError: names what to choose.
        """
        joined = {"recompute", "inplace-abn"} & set(self.model.optimisations)
        tied = joined or any(isinstance(module, StageBatchNorm2d) for module in network.modules())
        if self.plan.sync_batch_norm and tied:
            raise UserError(
                f"--sync-batch-norm does not reach the norms of {self.model.name}, which its layers compute themselves;"
                " leave it out, or take group norm (-a norm=group) or a network of torch's norms without +recompute and"
                " +inplace-abn"
            )

    def _images(self, split: str, classes: tuple[str, ...] | None) -> ImageFolder:
        if self.case.data_root is None:
            raise UserError(
                "--task classify needs --data-root DIR, a folder with train/CLASS/*.jpg and val/CLASS/*.jpg"
            )
        return ImageFolder(Path(self.case.data_root), split, classes)

    def _facts(self, fingerprint: str, class_names: Sequence[str]) -> dict[str, Any]:
        """What a checkpoint says about its origin; the card whole, so that it can be rebuilt without the catalogue."""
        case, model = self.case, self.model
        dataset = published_dataset(case.dataset) if case.dataset else None
        return {
            "model": model.name,
            "title": f"{model.name} on {dataset or 'folders of images'}",
            "card": model.card.model_dump(mode="json"),
            "card_hash": model.card.hash(),
            "arguments": dict(case.arguments),
            "optimisations": lasting(model.optimisations),
            "classes": len(class_names),
            "class_names": list(class_names),
            "data": {"dataset": dataset, "split": case.split or "train", "fingerprint": fingerprint},
            "val_split": self.asked.val_split,
            "output": case.output,
            "aux_weight": case.aux_weight,
            "pad": case.pad,
            "segbench": __version__,
        }


def _resume(trainer: Trainer, report: Reporter) -> None:
    """Takes up the earlier run; a damaged checkpoint that was passed over becomes a note."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = trainer.resume()
    for warning in caught:
        report.note(str(warning.message))
    if not found:
        report.note("there was nothing to resume; the training starts anew")


def _tell(report: Reporter, progress: StepProgress) -> None:
    report.progress(
        "step",
        progress.step,
        progress.steps,
        loss=progress.loss if math.isfinite(progress.loss) else None,
        scores=dict(progress.scores),
        images_per_s=progress.images_per_s,
        eta_s=progress.eta_s,
    )


def _rows(summary: Summary, device: torch.device, log: Path, broken: Mapping[str, int]) -> Iterator[Measurement]:
    logged = read_log(log)
    method = "measured:cuda" if device.type == "cuda" else "measured:host"
    run = {"steps": summary.steps, "seconds": summary.seconds, "broken": dict(broken)}
    best = {"best": summary.best, "best_step": summary.best_step}
    detail = {"weights": "last", **best, **run, "absent_classes": "skip"}
    for name, score in summary.scores.items():
        curve = [[int(row["step"]), float(row["seconds"]), float(row[name])] for row in logged if row.get(name)]
        yield Measurement(name, score, method, detail={**detail, "curve": curve})
    if summary.trained:
        seconds, detail = summary.wall_s / summary.trained, {**run, "timed_steps": summary.trained}
        yield Measurement("train_step_s", seconds, method, mode="train", detail=detail)
