"""A stopping rule at work on a data set: when each image stops, and its time beside the whole solve's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.meters.stopwatch import Stopwatch
from segbench.trajectories.early_exit import ExitRule, Stopped, answer_early
from segbench.trajectories.subject import End, Subject
from segbench.trajectories.sweep import InputPipeline, equal_sized
from segbench.workload.images import Samples

RuleOf = Callable[[Sequence[int]], ExitRule]
"""The rule for a batch of these images, by their numbers in the data set."""

Told = Callable[[int], object]
"""Hears how many images are done."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What each image did, in the data set's order.

    Attributes:
        steps, evaluations, observations: of each image `(n,)`.
        seconds, whole_seconds: an image, with the rule and with the whole solve, one sample a batch; pairs, of which
            each in turn has the other before it.
    """

    steps: NDArray[np.int64]
    evaluations: NDArray[np.float64]
    observations: NDArray[np.int64]
    seconds: NDArray[np.float64]
    whole_seconds: NDArray[np.float64]


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
    steps, evaluations, observations = list[int](), list[float](), list[int]()
    seconds: list[tuple[float, float]] = []
    for number, samples in enumerate(equal_sized(dataset, batch_size)):
        images, rule = pipeline.inputs(samples), rule_of(range(len(steps), len(steps) + len(samples)))
        with pipeline.autocast():
            if number == 0:
                answer_early(subject, images, rule)
                if images.device.type == "cuda":
                    meet_smaller_batches(subject, images, whole)
            stopped, timing = _timed(subject, images, rule, whole, watch, rule_first=number % 2 == 0)
        steps += stopped.steps
        evaluations += stopped.evaluations
        observations += stopped.observations
        seconds.append((timing["rule"] / len(samples), timing["whole"] / len(samples)))
        told(len(steps))
    early, late = np.array(seconds).T
    return Trial(np.array(steps), np.array(evaluations), np.array(observations), early, late)


def meet_smaller_batches(subject: Subject, images: Tensor, whole: End) -> None:
    """Answers the first images alone, the first two, and so on."""
    for count in range(1, len(images)):
        subject.answer(images[:count], whole)


def _timed(
    subject: Subject, images: Tensor, rule: ExitRule, whole: End, watch: Stopwatch, rule_first: bool
) -> tuple[Stopped, Mapping[str, float]]:
    """What the rule did, and the seconds of both."""
    watch.start()
    if not rule_first:
        subject.answer(images, whole).max(1)
        watch.lap("whole")
    stopped = answer_early(subject, images, rule)
    stopped.logits.max(1)
    watch.lap("rule")
    if rule_first:
        subject.answer(images, whole).max(1)
        watch.lap("whole")
    return stopped, watch.stop().parts
