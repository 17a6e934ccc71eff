"""Seconds of every policy beside the whole network: image by image in turns, so that each comparison is a pair."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Policy
from segbench.adaptive.run import Adaptive
from segbench.evaluation.confusion import Floats
from segbench.meters.stopwatch import Stopwatch
from segbench.trajectories.sweep import InputPipeline, classes_at, equal_sized
from segbench.workload.images import Samples


@dataclass(frozen=True, eq=False)
class TimedWay:
    """One policy's batches, of which the last ones of a size may be smaller.

    Attributes:
        seconds: an image, in each batch `(batches,)`.
        images: in each batch `(batches,)`.
    """

    seconds: Floats
    images: Floats

    @property
    def total(self) -> Floats:
        """Seconds of each batch."""
        return self.seconds * self.images

    @property
    def mean(self) -> float:
        """Seconds an image, every image counting once."""
        return float(self.total.sum() / self.images.sum())


@torch.no_grad()
def time_in_turns(
    network: Adaptive,
    dataset: Samples,
    pipeline: InputPipeline,
    policies: Sequence[Policy],
    batch_size: int,
    watch: Stopwatch,
    told: Callable[[int], object],
    seed: int = 0,
) -> list[TimedWay]:
    """Seconds an image, from normalised inputs on the device to classes at the input's size.

    Every batch of the data set is answered once under each policy, in an order drawn anew; the first batch once more
    beforehand, to warm up.

    Returns:
        For each policy.
    """
    order, found, sizes = random.Random(seed), list[list[float]](), list[int]()
    for number, samples in enumerate(equal_sized(dataset, batch_size)):
        inputs = pipeline.inputs(samples)
        seconds = [0.0] * len(policies)
        turn = order.sample(range(len(policies)), len(policies))
        with pipeline.autocast():
            for place in [*turn, *turn] if number == 0 else turn:
                seconds[place] = _timed(network, inputs, policies[place], watch) / len(samples)
        found.append(seconds)
        sizes.append(len(samples))
        told(sum(sizes))
    return [TimedWay(np.array(own), np.array(sizes, np.float64)) for own in zip(*found, strict=True)]


def _timed(network: Adaptive, inputs: Tensor, policy: Policy, watch: Stopwatch) -> float:
    watch.start()
    classes_at(infer(network, inputs, policy).scores, (inputs.shape[-2], inputs.shape[-1]))
    watch.lap("answer")
    return watch.stop().total
