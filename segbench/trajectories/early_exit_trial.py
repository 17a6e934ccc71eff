"""A stopping rule at work on a data set: when each image stops, and its time beside the whole solve's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.adaptive.inference import Inferred, infer
from segbench.adaptive.policies import Policy, Seen
from segbench.adaptive.run import Run
from segbench.adaptive.solver import StepByStep
from segbench.meters.stopwatch import Stopwatch
from segbench.trajectories.costs import Effort
from segbench.trajectories.subject import End, Subject
from segbench.trajectories.sweep import InputPipeline, equal_sized
from segbench.workload.images import Samples
from segbench.zoo.blocks import resize, size_of

RuleOf = Callable[[Sequence[int]], Policy]
"""The rule for a batch of these images, by their numbers in the data set."""

Told = Callable[[int], object]
"""Hears how many images are done."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What each image did, in the data set's order.

    Attributes:
        steps: of each image `(n,)`.
        observations: how often the rule had its class scores read out `(n,)`.
        seconds, whole_seconds: an image, with the rule and with the whole solve, one sample a batch; pairs, of which
            each in turn has the other before it.
    """

    steps: NDArray[np.int64]
    observations: NDArray[np.int64]
    seconds: NDArray[np.float64]
    whole_seconds: NDArray[np.float64]

    def evaluations(self, grid: Sequence[Effort]) -> NDArray[np.float64]:
        """Of f, for each image `(n,)`, by the efforts of ending after 0, 1, 2, ... steps."""
        return np.array([grid[step].evaluations for step in self.steps], np.float64)


@dataclass
class CountedRule:
    """A rule, and how often it has seen the class scores of each image of the batch."""

    rule: Policy
    count: int
    observations: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.compares, self.goes_on = self.rule.name, self.rule.compares, self.rule.goes_on
        self.observations = [0] * self.count

    def see(self, run: Run) -> Seen:
        seen = self.rule.see(run)
        if isinstance(seen, Tensor) and seen.dim() == 4:  # class scores
            for image in run.images.tolist():
                self.observations[image] += 1
        return seen


@torch.no_grad()
def try_rule(
    subject: Subject,
    dataset: Samples,
    pipeline: InputPipeline,
    rule_of: RuleOf,
    batch_size: int,
    watch: Stopwatch,
    told: Told,
) -> Trial:
    """Runs the rule over the data set with real skipping, from inputs on the device to class maps.

    The first batch is run once more beforehand, to warm up, and on CUDA in every smaller size that a rule may leave:
    cuDNN builds a plan for each, which would be timed with the first batch that shrinks to it.
    """
    subject.network.eval()
    whole = subject.end_at(subject.t_end)
    steps, observations = list[int](), list[int]()
    seconds: list[tuple[float, float]] = []
    for number, samples in enumerate(equal_sized(dataset, batch_size)):
        images, rule = pipeline.inputs(samples), rule_of(range(len(steps), len(steps) + len(samples)))
        watched = CountedRule(rule, len(samples))
        with pipeline.autocast():
            if number == 0:
                answer_early(subject, images, rule)
                if images.device.type == "cuda":
                    meet_smaller_batches(subject, images, whole)
            stopped, timing = _timed(subject, images, watched, whole, watch, rule_first=number % 2 == 0)
        steps += stopped.stages
        observations += watched.observations
        seconds.append((timing["rule"] / len(samples), timing["whole"] / len(samples)))
        told(len(steps))
    early, late = np.array(seconds).T
    return Trial(np.array(steps), np.array(observations), early, late)


def answer_early(subject: Subject, images: Tensor, rule: Policy) -> Inferred:
    """Solves step by step on the training's grid, with answers of the images' size.

    Raises:
        UserError: the network has no single state, or its solver no fixed grid.
    """
    answer = infer(StepByStep(subject.streams), images, rule)
    return replace(answer, scores=resize(answer.scores, size_of(images)))


def meet_smaller_batches(subject: Subject, images: Tensor, whole: End) -> None:
    """Answers the first images alone, the first two, and so on."""
    for count in range(1, len(images)):
        subject.answer(images[:count], whole)


def _timed(
    subject: Subject, images: Tensor, rule: Policy, whole: End, watch: Stopwatch, rule_first: bool
) -> tuple[Inferred, Mapping[str, float]]:
    """What the rule did, and the seconds of both."""
    watch.start()
    if not rule_first:
        subject.answer(images, whole).max(1)
        watch.lap("whole")
    stopped = answer_early(subject, images, rule)
    stopped.scores.max(1)
    watch.lap("rule")
    if rule_first:
        subject.answer(images, whole).max(1)
        watch.lap("whole")
    return stopped, watch.stop().parts
