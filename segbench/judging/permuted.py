"""The permutation control: every image is given the decisions that were made for another.

The same decisions are made, what the policy reads is read, and nothing is decided by what is seen: a method that is no
better has only stopped earlier. Where a decision is about an image, a pixel, a region or a block, exactly the same is
spent; what a path costs depends on which others are taken. Operations are those that were executed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from segbench.adaptive.decisions import Decisions, Replayed
from segbench.adaptive.policies import Policy
from segbench.adaptive.run import Adaptive
from segbench.evaluation.paired import Priced
from segbench.judging.asking import ask
from segbench.judging.survey import Observed, Survey, shown
from segbench.statistics.resampling import SEED
from segbench.trajectories.sweep import InputPipeline
from segbench.workload.images import Samples

DRAWS, FREE_DRAWS = 3, 200
"""How often decisions are dealt: where every draw is an inference of the data set, and where it is only counted."""


def donors(sizes: Sequence[tuple[int, int]], draw: int) -> NDArray[np.int64]:
    """For each image another one of the same size, all used once; itself where it is alone.

    A cycle through the images of a size in random order: nobody keeps its own. Those with even numbers, on which a
    threshold is chosen, and the others, on which it is judged, are dealt apart: what is judged was decided there.
    """
    generator = np.random.default_rng((SEED, draw))
    found = np.arange(len(sizes))
    groups = [(size, image % 2) for image, size in enumerate(sizes)]
    for group in dict.fromkeys(groups):
        order = generator.permutation([image for image, own in enumerate(groups) if own == group])
        found[order] = np.roll(order, 1)
    return found


def permuted_stages(survey: Survey, name: str) -> list[Priced]:
    """Each draw for whole images: what each would have been answered, and paid, at its donor's stage is known."""
    fixed, own = np.stack([stage.matrices for stage in survey.fixed]), survey.policies[name]
    stages, macs, images = np.array(own.stages), own.macs, np.arange(len(own.stages))
    draws = [donors(survey.sizes, draw) for draw in range(FREE_DRAWS)]
    return [Priced(fixed[stages[given] - 1, images], macs[given]) for given in draws]


@torch.no_grad()
def permuted_by_inference(
    network: Adaptive,
    dataset: Samples,
    pipeline: InputPipeline,
    policy: Policy,
    decisions: Sequence[Decisions],
    sizes: Sequence[tuple[int, int]],
    told: Callable[[int], object],
) -> list[Priced]:
    """As `permuted_stages` for every other unit, by inference.

    Args:
        policy: read as it reads, so that deciding costs the same.
        decisions: of that policy, on each image.
        sizes: of each image.
    """
    draws = [donors(sizes, draw) for draw in range(DRAWS)]
    found: list[Observed] = [Observed() for _ in draws]
    for number in range(len(dataset)):
        image = shown(dataset[number], pipeline, dataset.classes)
        for given, kept in zip(draws, found, strict=True):
            dealt = Replayed("permuted", [decisions[given[number]]], policy.compares, policy)
            with pipeline.autocast():
                own = ask(network, image.image, dealt)
            kept.add(own, image.matrix(own.scores))
        told(number + 1)
    return [Priced(kept.matrices, kept.macs) for kept in found]
