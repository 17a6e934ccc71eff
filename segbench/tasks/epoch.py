"""Measures the time of a training step and so of an epoch in this process, one round of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import ceil

import torch

from segbench.cards.datasets import dataset_card
from segbench.cards.model import find_model
from segbench.data import Dataset, open_dataset
from segbench.errors import UserError
from segbench.learning.feed import Feed, LabelledAugmenter, batches
from segbench.learning.plan import TrainingPlan
from segbench.libraries.traits import traits_of
from segbench.meters.epoch import STEP_PARTS, TrainingStep
from segbench.meters.sampling import Timing
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import EpochOptions
from segbench.tasks.outputs import tell_outputs
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import Timed, compiled, method_of, take_samples
from segbench.workload.device import device_of
from segbench.workload.images import Batch
from segbench.workload.step import Workload, build_workload


def run(case: Case, report: Reporter) -> None:
    """Reports the time of a step, whole and in parts, of an epoch, and the energy of an epoch.

    Options: `images` of the epoch; without it, those of the data set's copy at hand. `workers`, the number of processes
    that load data.

    Raises:
        UserError: neither images nor a data set are given.
    """
    device = device_of(case)
    dataset = _opened(case)
    case = case.with_options(images=_images_of_epoch(case, dataset))
    for sentence in _differences(case, dataset):
        report.note(sentence)
    workload = compiled(build_workload(case, device))
    next_batch = _held_batch(workload) if dataset is None else _loaded_batches(workload, dataset)
    step = TrainingStep(workload, next_batch, stopwatch_for(device))
    timed = take_samples(step, device, case, report)
    if workload.awaits_momenta:
        report.note("every step was skipped, as its fp16 gradients overflowed: the optimizer's time is missing")
    for measurement in _rows(timed, case, device):
        report.measured(measurement)
    report.measured(timed.busy_row(step, device, "train", {"batch_size": case.batch_size}))
    tell_outputs(workload.outputs, case, report)


def _opened(case: Case) -> Dataset | None:
    return open_dataset(case.dataset, case.data_root, case.split or "train") if case.dataset else None


def _images_of_epoch(case: Case, dataset: Dataset | None) -> int:
    """As many as the user says, else as the copy at hand has."""
    asked = case.options_as(EpochOptions).images
    if asked is not None:
        return asked
    if dataset is None:
        raise UserError("an epoch of random images has no length; give --images, or a data set with -d")
    return len(dataset)


def _differences(case: Case, dataset: Dataset | None) -> Iterator[str]:
    """Sentences about an epoch that is longer or shorter than the copy at hand, or than the official split."""
    if dataset is None:
        return
    what, images = f"{dataset.name} {dataset.split}", case.options_as(EpochOptions).images
    if images != len(dataset):
        yield f"the epoch is of {images} images; this copy of {what} has {len(dataset)}"
    card = dataset_card(str(case.dataset))
    official = sum(card.splits[part] for part in card.parts(dataset.split))
    if official and official != images:
        yield f"the epoch is of {images} images; the official {what} has {official}"


def _held_batch(workload: Workload) -> Callable[[], Batch]:
    """The same random batch for every step."""
    batch = workload.make_batch()
    return lambda: batch


def _loaded_batches(workload: Workload, dataset: Dataset) -> Callable[[], Batch]:
    """What a training is fed: images decoded, cut, coloured and copied for every step."""
    case = workload.case
    recipe = find_model(case.model).card.recipe.model_copy(update={"batch_size": case.batch_size})
    workers = case.options_as(EpochOptions).workers
    plan = TrainingPlan(recipe, case.width, case.height, epochs=1, workers=workers, seed=case.seed)
    feed = Feed(LabelledAugmenter(dataset, plan, dataset.flip_pairs, traits_of(workload.network)), case.seed)
    stream = batches(feed, plan, 0, workload.device)

    def next_batch() -> Batch:
        (part,) = next(stream)
        return part.inputs(case.channels_last), part.targets.long()

    return next_batch


def _rows(timed: Timed, case: Case, device: torch.device) -> Iterator[Measurement]:
    images = case.options_as(EpochOptions).images
    assert images is not None
    steps = ceil(images / case.batch_size)
    factors: Mapping[str, Json] = {"batch_size": case.batch_size, "images": images}
    method = method_of(device)
    row = partial(timed.row, method=method, mode="train", factors=factors)
    yield timed.headline("epoch_s", lambda sample: sample.total * steps, method, "train", factors)
    yield row("train_step_s", lambda sample: sample.total)
    for part in STEP_PARTS:
        if part == "data" and case.dataset is None:
            cause = "random input: nothing is loaded; give --dataset"
            yield Measurement("train_data_s", None, method, "train", cause=cause, factors=factors)
        else:
            yield row(f"train_{part}_s", _seconds_of(part))
    yield from timed.energy_rows("epoch", "train", steps / len(timed.samples), factors)
    if case.compile:
        yield Measurement("compile_s", timed.compile_seconds, method, "train", factors=factors)


def _seconds_of(part: str) -> Callable[[Timing], float]:
    return lambda sample: sample.parts[part]
