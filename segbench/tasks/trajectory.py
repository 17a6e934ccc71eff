"""Measures a trained network along its time: what every end costs and buys, and what stopping image by image adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from segbench.adaptive.decisions import Replayed
from segbench.adaptive.policies import Policy
from segbench.cards.model import find_model
from segbench.data import Dataset, Sample, open_dataset
from segbench.errors import UserError
from segbench.evaluation.protocol import protocol_of
from segbench.learning.segmentation import open_split
from segbench.learning.weights import trained_network
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.options import TrajectoryOptions
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import method_of, take_turns
from segbench.tasks.trained import notes_on_origin, require_same_classes
from segbench.trajectories.costs import Effort, effort, inference_at, readout_macs
from segbench.trajectories.early_exit import Oracle, ending_after, parse_stop
from segbench.trajectories.early_exit_trial import try_rule
from segbench.trajectories.early_exit_verdict import judge_early_exit, oracle_stops, static_curves
from segbench.trajectories.frames import Album, draw_strip, embedded_frames, spread_out
from segbench.trajectories.rows import accuracy_rows, count_rows, factors_of, rule_rows, speed_row
from segbench.trajectories.state_speed import state_speeds
from segbench.trajectories.subject import End, Subject
from segbench.trajectories.subset import EvenSubset
from segbench.trajectories.sweep import InputPipeline, Sweep, sweep_ends
from segbench.workload.device import device_of
from segbench.workload.precision import autocast

_SPEED_IMAGES = 8
"""State speeds hardly differ from image to image."""

_COUNTED_IMAGES = 8
"""On which an adaptive solver's evaluations are counted, one at a time."""

_PUBLISHABLE = "synthetic"
"""Only its images may be embedded in a ledger, which is made to be published."""


def run(case: Case, report: Reporter) -> None:
    """Reports scores, operations, evaluations and state speed of every end, and of every stopping rule; or the times.

    The option `part` says which: `timed` for the times of all ends in this process, else everything that comes out the
    same each time.

    Raises:
        UserError: a network without trajectory, a state that is not finite, an unknown rule.
        CheckpointError: a checkpoint that is missing, damaged, of another network or of other classes.
        DataError: images that cannot be read.
    """
    options = case.options_as(TrajectoryOptions)
    rules = [parse_stop(text) for text in options.stop]
    asked = _Asked.of(case, options)
    if options.part == "timed":
        _report_times(asked, report)
        return
    study = _Study.of(asked, report)
    found = study.accuracy()
    efforts = study.counts(found)
    for rule in rules:
        study.judge(rule, found, efforts)


@dataclass(frozen=True)
class _Asked:
    """A trained network and where it is to end.

    Attributes:
        facts: of the checkpoint.
        times, coarser: the ends: times in order, then other numbers of steps.
    """

    case: Case
    options: TrajectoryOptions
    subject: Subject
    facts: Mapping[str, Json]
    pipeline: InputPipeline
    times: tuple[End, ...]
    coarser: tuple[End, ...]

    @classmethod
    def of(cls, case: Case, options: TrajectoryOptions) -> _Asked:
        device = device_of(case)
        card, size = find_model(case.model).card, (case.height, case.width)
        network, facts, _ = trained_network(card, dict(case.arguments), Path(options.checkpoint), size, case.classes)
        if case.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        subject = Subject(network.to(device))
        times = options.times or subject.usual_times()
        if options.stop:
            times = sorted({*times, *subject.grid()})
        steps = subject.usual_steps() if options.steps is None else options.steps
        coarser = [subject.in_steps(count) for count in steps]
        precision = partial(autocast, case.precision, device)
        pipeline = InputPipeline(protocol_of(case), device, precision, case.channels_last)
        others = tuple(end for end in coarser if end.steps != subject.steps)
        return cls(case, options, subject, facts, pipeline, tuple(subject.ends_at(times)), others)

    @property
    def method(self) -> str:
        return method_of(self.pipeline.device)

    def chosen(self, dataset: Dataset) -> Dataset:
        """The part of a data set that is asked about."""
        return dataset if self.options.images is None else EvenSubset(dataset, self.options.images)


def _report_times(asked: _Asked, report: Reporter) -> None:
    """Times every end alone on the first images: this process's round of several."""
    case, device = asked.case, asked.pipeline.device
    dataset = asked.chosen(open_dataset(str(case.dataset), case.data_root, case.split or "val"))
    first = dataset[0]
    samples = [dataset[index % len(dataset)] for index in range(case.infer_batch)]
    alike = [sample if sample.image.shape == first.image.shape else first for sample in samples]
    pictures, ends = asked.pipeline.pictures(alike), (*asked.times, *asked.coarser)
    calls = [inference_at(asked.subject, end, case, pictures, device) for end in ends]
    for end, timed in zip(ends, take_turns(calls, device, case, report), strict=True):
        factors: dict[str, Json] = {**factors_of(end), "batch_size": case.infer_batch}
        report.measured(
            timed.headline("latency_s", lambda call: call.total / case.infer_batch, asked.method, "infer", factors)
        )


@dataclass(frozen=True)
class _Study:
    """What is asked, and the images it is asked about."""

    asked: _Asked
    report: Reporter
    dataset: Dataset
    tell: Progress

    @classmethod
    def of(cls, asked: _Asked, report: Reporter) -> _Study:
        case, tell = asked.case, Progress(report)
        dataset = open_split(case, case.split or "val", 0, tell)
        require_same_classes(asked.facts, dataset, Path(asked.options.checkpoint))
        for sentence in (*_beyond(asked), *notes_on_origin(asked.facts, dataset, Path(asked.options.checkpoint))):
            report.note(sentence)
        return cls(asked, report, asked.chosen(dataset), tell)

    @property
    def subject(self) -> Subject:
        return self.asked.subject

    @property
    def pipeline(self) -> InputPipeline:
        return self.asked.pipeline

    def accuracy(self) -> Sweep:
        """Asks about every image at every end; reports the scores, and draws the strip."""
        asked, options = self.asked, self.asked.options
        album = Album(spread_out(options.pictures, len(self.dataset)))

        def observe(number: int, sample: Sample, maps: np.ndarray) -> None:
            album(number, sample, maps)
            self.tell("image", number + 1, len(self.dataset))

        found = sweep_ends(self.subject, self.dataset, asked.times, asked.coarser, self.pipeline, observe=observe)
        palette, name = self.dataset.palette, self.dataset.name
        frames = embedded_frames(found, album.pictures, palette, name) if name == _PUBLISHABLE else {}
        for row in accuracy_rows(found, asked.method, frames):
            self.report.measured(row)
        if options.strip and album.pictures:
            draw_strip(found, album.pictures, palette, Path(options.strip))
        return found

    def counts(self, found: Sweep) -> dict[End, Effort]:
        """Counts what every end alone takes, and how fast the state moves there; the efforts."""
        count = min(_COUNTED_IMAGES, len(self.dataset))
        images = [self.pipeline.inputs([self.dataset[index]]) for index in range(count)]
        efforts = {}
        for number, end in enumerate(found.ends):
            with self.pipeline.autocast():
                efforts[end] = effort(self.subject, images, end)
            for row in count_rows(efforts[end], end, self.asked.case.infer_batch):
                self.report.measured(row)
            self.tell("count", number + 1, len(found.ends))
        self._speeds(found.times)
        return efforts

    def judge(self, rule: Policy | Oracle, found: Sweep, efforts: dict[End, Effort]) -> None:
        """Lets a rule stop each image, and sets it beside its controls."""
        subject = self.subject
        grid = [subject.end_at(time) for time in subject.grid()]
        matrices = [found.of(end) for end in grid]
        choice = ending_after(oracle_stops(matrices, rule.limit).tolist()) if isinstance(rule, Oracle) else []

        def rule_of(images: Sequence[int]) -> Policy:
            return Replayed(rule.name, [choice[image] for image in images]) if isinstance(rule, Oracle) else rule

        count = self.tell.of(rule.name, len(self.dataset))
        batch = self.asked.case.infer_batch
        watch = stopwatch_for(self.pipeline.device)
        trial = try_rule(subject, self.dataset, self.pipeline, rule_of, batch, watch, count)
        along, method = [efforts[end] for end in grid], self.asked.method
        verdict = judge_early_exit(trial.steps, trial.evaluations(along), matrices, static_curves(found, efforts))
        image = self.pipeline.inputs([self.dataset[0]])
        factors: dict[str, Json] = {"steps": subject.steps, "batch_size": batch}
        for row in rule_rows(rule.name, trial, verdict, along, readout_macs(subject, image), method, factors):
            self.report.measured(row)

    def _speeds(self, ends: Sequence[End]) -> None:
        """Reports how fast the state moves at the end times."""
        count, method = min(_SPEED_IMAGES, len(self.dataset)), self.asked.method
        try:
            with self.pipeline.autocast():
                each = [state_speeds(self.subject, self.pipeline.inputs([self.dataset[i]]), ends) for i in range(count)]
        except UserError as error:
            for end in ends:
                self.report.measured(speed_row(end, str(error), method))
            return
        for place, end in enumerate(ends):
            values = [float(speed) for image in each for speed in image[place]]
            self.report.measured(speed_row(end, values, method))


def _beyond(asked: _Asked) -> Iterator[str]:
    """A warning about end times that no training has seen."""
    t_end = asked.subject.t_end
    beyond = [end.time for end in asked.times if end.time > t_end]
    if beyond:
        yield f"end times {', '.join(f'{time:g}' for time in beyond)} lie beyond T = {t_end:g}: extrapolated"
