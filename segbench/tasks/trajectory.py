"""Measures a trained network along its time: what every end costs and buys, and what stopping image by image adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from segbench.cards.catalogue import find_model
from segbench.data import Dataset, Sample
from segbench.errors import UserError
from segbench.evaluation.protocol import protocol_of
from segbench.learning.segmentation import open_split
from segbench.learning.weights import trained_network
from segbench.meters.contention import ContentionMeter
from segbench.meters.latency import Inference
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import method_of
from segbench.trajectories.costs import Effort, NetworkEndingAt, Patience, effort, readout_macs, times_of
from segbench.trajectories.early_exit import ExitRule, Oracle, Scheduled, parse_rule
from segbench.trajectories.early_exit_trial import try_rule
from segbench.trajectories.early_exit_verdict import judge_early_exit, oracle_stops, static_curves
from segbench.trajectories.frames import Album, draw_strip, embedded_frames, spread_out
from segbench.trajectories.rows import accuracy_rows, cost_rows, rule_rows, speed_row
from segbench.trajectories.state_speed import state_speeds
from segbench.trajectories.subject import End, Subject
from segbench.trajectories.subset import EvenSubset
from segbench.trajectories.sweep import InputPipeline, Sweep, sweep_ends
from segbench.workload.device import device_of
from segbench.workload.images import Batch
from segbench.workload.precision import autocast
from segbench.workload.step import Workload

_SPEED_IMAGES = 8
"""State speeds hardly differ from image to image."""

_COUNTED_IMAGES = 8
"""On which an adaptive solver's evaluations are counted, one at a time."""

_BUSY_CORES = 0.2
"""Others' use of the machine that makes times doubtful: a tenth of two cores."""

_PUBLISHABLE = "synthetic"
"""Only its images may be embedded in a ledger, which is made to be published."""


def run(case: Case, report: Reporter) -> None:
    """Reports scores, operations, evaluations, time and state speed of every end, and of every stopping rule.

    Options: `checkpoint`; `times`, the end times (None: the solver's grid); `steps`, other numbers of steps for the
    whole solve (None: half, double and one); `stop`, rules; `images`, how many of the split are taken, spread evenly
    (None: all); `pictures`, of how many a strip is drawn into the file `strip`; `runs` and `seconds`, how long the ends
    are timed.

    Raises:
        UserError: a network without trajectory, a state that is not finite, an unknown rule.
        CheckpointError: a checkpoint that is missing, damaged or of another network.
        DataError: images that cannot be read.
    """
    rules = [parse_rule(text) for text in case.option("stop") or ()]
    study = _Study.of(case, report)
    found = study.accuracy()
    efforts = study.costs(found)
    for rule in rules:
        study.judge(rule, found, efforts)


@dataclass(frozen=True)
class _Study:
    """A trained network and the images it is asked about.

    Attributes:
        ends: times in order, then other numbers of steps.
    """

    case: Case
    report: Reporter
    subject: Subject
    dataset: Dataset
    pipeline: InputPipeline
    times: tuple[End, ...]
    coarser: tuple[End, ...]

    @classmethod
    def of(cls, case: Case, report: Reporter) -> _Study:
        device = device_of(case)
        card = find_model(case.model).card
        path, size = Path(case.option("checkpoint")), (case.height, case.width)
        network, facts = trained_network(card, dict(case.arguments), path, size, case.classes)
        if case.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        subject = Subject(network.to(device))
        times = case.option("times") or subject.usual_times()
        if case.option("stop"):
            times = sorted({*times, *subject.grid()})
        steps = case.option("steps")
        coarser = [subject.in_steps(count) for count in (subject.usual_steps() if steps is None else steps)]
        dataset = open_split(case, case.split or "val", 0, partial(_tell, report))
        _require_same_classes(facts, dataset)
        for sentence in _warnings(subject, times, facts, dataset):
            report.note(sentence)
        count = case.option("images")
        chosen = dataset if count is None else EvenSubset(dataset, count)
        precision = partial(autocast, case.precision, device)
        pipeline = InputPipeline(protocol_of(case), device, precision, case.channels_last)
        return cls(
            case,
            report,
            subject,
            chosen,
            pipeline,
            tuple(subject.ends_at(times)),
            tuple(end for end in coarser if end.steps != subject.steps),
        )

    @property
    def method(self) -> str:
        return method_of(self.pipeline.device)

    def accuracy(self) -> Sweep:
        """Asks about every image at every end; reports the scores, and draws the strip."""
        album = Album(spread_out(self.case.option("pictures", 3), len(self.dataset)))

        def observe(number: int, sample: Sample, maps: np.ndarray) -> None:
            album(number, sample, maps)
            _tell(self.report, "image", number + 1, len(self.dataset))

        found = sweep_ends(self.subject, self.dataset, self.times, self.coarser, self.pipeline, observe=observe)
        palette, name = self.dataset.palette, self.dataset.name
        frames = embedded_frames(found, album.pictures, palette, name) if name == _PUBLISHABLE else {}
        for row in accuracy_rows(found, self.method, frames):
            self.report.measured(row)
        if self.case.option("strip") and album.pictures:
            draw_strip(found, album.pictures, palette, Path(self.case.option("strip")))
        return found

    def costs(self, found: Sweep) -> dict[End, Effort]:
        """Counts and times every end alone; the efforts."""
        count = min(_COUNTED_IMAGES, len(self.dataset))
        images = [self.pipeline.inputs([self.dataset[index]]) for index in range(count)]
        efforts = {}
        for number, end in enumerate(found.ends):
            with self.pipeline.autocast():
                efforts[end] = effort(self.subject, images, end)
            _tell(self.report, "count", number + 1, len(found.ends))
        others = ContentionMeter()
        calls = [self._inference(end) for end in found.ends]
        patience = Patience(self.case.option("runs", 11), self.case.option("seconds", 60.0))
        for end, seconds in zip(found.ends, times_of(calls, patience, self.case.seed), strict=True):
            for row in cost_rows(efforts[end], end, seconds, self.case.infer_batch, self.method):
                self.report.measured(row)
        busy = others.others_cores()
        if busy >= _BUSY_CORES:
            self.report.note(f"other programs used {busy:g} cores while ends were timed; close them for quiet times")
        self._speeds(found.times)
        return efforts

    def judge(self, rule: ExitRule | Oracle, found: Sweep, efforts: dict[End, Effort]) -> None:
        """Lets a rule stop each image, and sets it beside its controls."""
        subject = self.subject
        grid = [subject.end_at(time) for time in subject.grid()]
        matrices = [found.of(end) for end in grid]
        oracle = oracle_stops(matrices, rule.limit) if isinstance(rule, Oracle) else None

        def rule_of(images: Sequence[int]) -> ExitRule:
            if oracle is None:
                assert not isinstance(rule, Oracle)
                return rule
            return Scheduled(rule.name, oracle[list(images)].tolist())

        count = partial(_tell, self.report, rule.name, total=len(self.dataset))
        batch = self.case.infer_batch
        watch = stopwatch_for(self.pipeline.device)
        trial = try_rule(subject, self.dataset, self.pipeline, rule_of, batch, watch, count)
        verdict = judge_early_exit(trial.steps, trial.evaluations, matrices, static_curves(found, efforts))
        image = self.pipeline.inputs([self.dataset[0]])
        factors: dict[str, Json] = {"steps": subject.steps, "batch_size": batch}
        along = [efforts[end] for end in grid]
        for row in rule_rows(rule.name, trial, verdict, along, readout_macs(subject, image), self.method, factors):
            self.report.measured(row)

    def _inference(self, end: End) -> Inference:
        """The first images, from pictures on the host to classes on the host, ending there."""
        device = self.pipeline.device
        first = self.dataset[0]
        samples = [self.dataset[index % len(self.dataset)] for index in range(self.case.infer_batch)]
        alike = [sample if sample.image.shape == first.image.shape else first for sample in samples]
        scaler = torch.amp.GradScaler(device.type, enabled=False)
        workload = Workload(self.case, NetworkEndingAt(self.subject, end), None, device, _no_batches, scaler)
        return Inference(workload, self.pipeline.pictures(alike), stopwatch_for(device))

    def _speeds(self, ends: Sequence[End]) -> None:
        """Reports how fast the state moves at the end times."""
        count = min(_SPEED_IMAGES, len(self.dataset))
        try:
            with self.pipeline.autocast():
                each = [state_speeds(self.subject, self.pipeline.inputs([self.dataset[i]]), ends) for i in range(count)]
        except UserError as error:
            for end in ends:
                self.report.measured(speed_row(end, str(error), self.method))
            return
        for place, end in enumerate(ends):
            values = [float(speed) for image in each for speed in image[place]]
            self.report.measured(speed_row(end, values, self.method))


def _require_same_classes(facts: Mapping[str, Json], dataset: Dataset) -> None:
    trained = facts.get("classes", dataset.classes)
    if trained != dataset.classes:
        names = f"{trained} classes, {dataset.name} has {dataset.classes}"
        raise UserError(f"the checkpoint distinguishes {names}; choose the data set it was trained on")


def _warnings(subject: Subject, times: Sequence[float], facts: Mapping[str, Json], dataset: Dataset) -> Iterator[str]:
    """What a reader of the numbers should know."""
    beyond = [time for time in times if time > subject.t_end]
    if beyond:
        yield f"end times {', '.join(f'{time:g}' for time in beyond)} lie beyond T = {subject.t_end:g}: extrapolated"
    trained = facts.get("data", {})
    if trained.get("fingerprint") == dataset.fingerprint:
        yield f"the checkpoint was trained on these very images ({dataset.name} {dataset.split})"
    elif trained.get("dataset", "").partition(":")[0] not in ("", dataset.name):
        yield f"the checkpoint was trained on {trained['dataset']}, and is asked about {dataset.name}"


def _tell(report: Reporter, stage: str, done: int, total: int) -> None:
    report.progress(stage, done, total)


def _no_batches(count: int) -> Batch:
    raise AssertionError(f"an inference makes no training batch of {count}")
