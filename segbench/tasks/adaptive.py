"""Judges an input-adaptive network: accuracy, operations and time under its policies, beside every control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from segbench.adaptive.decisions import Everything
from segbench.adaptive.policies import Policy, Thresholded, parse_policy
from segbench.adaptive.run import Adaptive
from segbench.cards.model import find_model
from segbench.data import Dataset, Sample
from segbench.errors import UserError
from segbench.evaluation.paired import Priced
from segbench.evaluation.protocol import protocol_of
from segbench.judging.asking import Asked
from segbench.judging.depth import DepthAlbum
from segbench.judging.permuted import permuted_by_inference, permuted_stages
from segbench.judging.rows import (
    fixed_rows,
    no_time_row,
    no_verdict_row,
    permuted_rows,
    policy_rows,
    shift_row,
    time_row,
    verdict_rows,
)
from segbench.judging.single_stage import SingleStage
from segbench.judging.survey import Survey, Surveyor
from segbench.judging.thresholds import own_policy, policies_of
from segbench.judging.timing import TimedWay, time_in_turns
from segbench.judging.verdict import judge_method, shift_effect, whole_name, why_no_verdict
from segbench.learning.segmentation import open_split
from segbench.learning.weights import trained_network
from segbench.meters.stopwatch import stopwatch_for
from segbench.records.case import Case, Json
from segbench.records.measurement import Measurement
from segbench.records.options import AdaptiveOptions
from segbench.tasks.progress import Progress
from segbench.tasks.protocol import Reporter
from segbench.tasks.timed import method_of
from segbench.tasks.trained import notes_on_origin, require_same_classes
from segbench.trajectories.frames import spread_out
from segbench.trajectories.subset import EvenSubset
from segbench.trajectories.sweep import InputPipeline
from segbench.workload.device import device_of
from segbench.workload.outputs import OutputReader
from segbench.workload.precision import autocast

_THRESHOLD_IMAGES = 8
"""On which thresholds are found: many pixels, regions and stages each."""

_PUBLISHABLE = "synthetic"
"""Only its images may be embedded in a ledger, which is made to be published."""

_COLUMNS = 4
"""Policies in the picture of where computation was spent."""


def run(case: Case, report: Reporter) -> None:
    """Reports every policy, fixed stage and control, and the verdict; of a static network its one point.

    Raises:
        UserError: a static network alone, an unknown policy, a threshold out of range, a policy of another method.
        CheckpointError: a checkpoint that is missing, damaged, of another network or of other classes.
        DataError: images that cannot be read.
    """
    options = case.options_as(AdaptiveOptions)
    for text in options.policies:
        parse_policy(text)
    trial = _Trial.of(case, options, report)
    survey = trial.survey()
    for row in trial.rows(survey, trial.times(len(survey.fixed))):
        report.measured(row)
    trial.draw()


Times = Mapping[int, Mapping[str, TimedWay]]
"""Images at once -> name of the policy or stage -> its times; empty of methods that are simulated."""


@dataclass(frozen=True)
class _Trial:
    """A trained network, the images it is asked about, and the policies it is judged under.

    Attributes:
        facts: of the checkpoint.
        own: the network's own policy; None of a static network.
        album: keeps a few images with what was decided on them.
    """

    case: Case
    options: AdaptiveOptions
    report: Reporter
    network: Adaptive
    facts: Mapping[str, Json]
    dataset: Dataset
    pipeline: InputPipeline
    policies: Sequence[Policy]
    own: Policy | None
    album: DepthAlbum

    @classmethod
    def of(cls, case: Case, options: AdaptiveOptions, report: Reporter) -> _Trial:
        device, checkpoint = device_of(case), Path(options.checkpoint)
        card, size = find_model(case.model).card, (case.height, case.width)
        built, facts, _ = trained_network(card, dict(case.arguments), checkpoint, size, case.classes)
        network = _as_adaptive(built.to(device).eval(), case, options)
        dataset = open_split(case, case.split or "val", 0, Progress(report))
        require_same_classes(facts, dataset, checkpoint)
        for sentence in notes_on_origin(facts, dataset, checkpoint):
            report.note(sentence)
        images = dataset if options.images is None else EvenSubset(dataset, options.images)
        pipeline = InputPipeline(protocol_of(case), device, partial(autocast, case.precision, device))
        own = None if isinstance(network, SingleStage) else own_policy(network)
        policies = _policies(network, options, images, pipeline) if own else []
        album = DepthAlbum(spread_out(options.pictures, len(images)))
        return cls(case, options, report, network, facts, images, pipeline, policies, own, album)

    @property
    def method(self) -> str:
        return method_of(self.pipeline.device)

    @property
    def untimed(self) -> str | None:
        """Why no times are taken; None where they are."""
        if self.network.simulated is not None:
            return f"simulated: {self.network.simulated}"
        return None if self.options.timed else "--no-time was given"

    def survey(self) -> Survey:
        """Asks about every image."""
        tell, own = self._tell("image"), self.own if self.own in self.policies else None

        def observe(number: int, sample: Sample, asked: Mapping[str, Asked]) -> None:
            self.album(number, sample, asked)
            tell(number + 1)

        return Surveyor(self.network, self.pipeline, self.policies, own).survey(self.dataset, observe)

    def times(self, stages: int) -> Times:
        """Times every policy and each of the fixed stages, image by image and in batches."""
        if self.untimed is not None:
            return {}
        policies: list[Policy] = [*map(Everything, range(1, stages + 1)), *self.policies]
        watch, found = stopwatch_for(self.pipeline.device), {}
        for batch in sorted({1, self.case.infer_batch}):
            tell = self._tell(f"timed, batch {batch}")
            seconds = time_in_turns(
                self.network, self.dataset, self.pipeline, policies, batch, watch, tell, self.case.seed
            )
            found[batch] = {policy.name: own for policy, own in zip(policies, seconds, strict=True)}
        return found

    def rows(self, survey: Survey, times: Times) -> Iterator[Measurement]:
        """Of every way to run the network, and of a network that decides also of the verdict and its grounds."""
        extra = self._embedded(whole_name(survey))
        yield from fixed_rows(survey, self.method, extra)
        yield from policy_rows(survey, self.method, extra)
        for batch, seconds in times.items():
            for name, own in seconds.items():
                yield time_row(name, own, seconds[whole_name(survey)], batch, self.method)
        if self.untimed is not None:
            yield no_time_row(self.untimed, self.method)
        if self.own is not None:
            yield from self._verdict_rows(survey, times)

    def _verdict_rows(self, survey: Survey, times: Times) -> Iterator[Measurement]:
        permuted = {name: permuted_stages(survey, name) for name in survey.policies if survey.unit == "image"}

        def dealt(name: str) -> Sequence[Priced]:
            if name not in permuted:
                policy = next(policy for policy in self.policies if policy.name == name)
                made, tell = survey.decisions[name], self._tell("permuted")
                permuted[name] = permuted_by_inference(
                    self.network, self.dataset, self.pipeline, policy, made, survey.sizes, tell
                )
            return permuted[name]

        cause = why_no_verdict(survey)
        if cause is None:
            verdict = judge_method(survey, {name: own.seconds for name, own in times.get(1, {}).items()}, dealt)
            yield from verdict_rows(verdict, self.network.simulated, self.method)
        else:
            yield no_verdict_row(cause)
        for name, draws in permuted.items():
            yield from permuted_rows(name, draws, survey, self.method)
        assert self.own is not None
        if (effect := shift_effect(survey)) is not None:
            yield shift_row(self.own.name, effect, self.method)

    def draw(self) -> None:
        """Draws where computation was spent under a few policies, from the cheapest on."""
        names = list(self.album.maps)
        if self.options.depth and names:
            places = np.linspace(0, len(names) - 1, min(_COLUMNS, len(names))).round()
            self.album.draw([names[int(place)] for place in places], Path(self.options.depth))

    def _embedded(self, whole: str) -> dict[str, dict[str, Json]]:
        """Further detail of each way: about the network with the whole of it, and pictures that may be published."""
        about: dict[str, Json] = {"static": self.own is None, "trained_for_s": self.facts.get("seconds")}
        if self.dataset.name != _PUBLISHABLE:
            return {whole: about}
        palette, name = self.dataset.palette, self.dataset.name
        shown = {"pictures": self.album.pictures(palette, name), "depth_legend": self.album.legend()}
        return {whole: {**about, **shown}, **self.album.embedded(palette, name)}

    def _tell(self, stage: str) -> Callable[[int], None]:
        return Progress(self.report).of(stage, len(self.dataset))


def _as_adaptive(network: nn.Module, case: Case, options: AdaptiveOptions) -> Adaptive:
    """The network, or a static one as a single stage.

    Raises:
        UserError: a static one, and no other network to set it beside.
    """
    if isinstance(network, Adaptive):
        return network
    if options.alone:
        raise UserError(
            f"{case.model} has no exits and decides nothing, so there is nothing to judge; name an adaptive network"
            " with -m, and this one beside it"
        )
    return SingleStage(network, OutputReader.of(case, network))


def _policies(
    network: Adaptive, options: AdaptiveOptions, dataset: Dataset, pipeline: InputPipeline
) -> list[Thresholded]:
    few = EvenSubset(dataset, _THRESHOLD_IMAGES)
    images = [pipeline.inputs([few[number]]) for number in range(len(few))]
    with pipeline.autocast():
        return policies_of(network, options.policies, images)
