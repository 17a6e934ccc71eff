"""The permutation control: every image is given the decisions that were made for another.

It spends exactly the same and decides nothing by what is seen: a method that is no better has only stopped earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from segbench.adaptive.decisions import Replayed
from segbench.adaptive.run import Adaptive
from segbench.evaluation.confusion import Matrices
from segbench.judging.asking import ask
from segbench.judging.survey import Observed, Survey, shown
from segbench.statistics.resampling import SEED
from segbench.trajectories.sweep import InputPipeline
from segbench.workload.images import Samples

DRAWS, FREE_DRAWS = 3, 200
"""How often decisions are dealt: where every draw is an inference of the data set, and where it is only counted."""


def donors(sizes: Sequence[tuple[int, int]], draw: int) -> NDArray[np.int64]:
    """For each image another one of the same size, all used once; itself where it is alone.

    A cycle through the images of a size in random order: nobody keeps its own.
    """
    generator = np.random.default_rng((SEED, draw))
    found = np.arange(len(sizes))
    for size in dict.fromkeys(sizes):
        order = generator.permutation([image for image, own in enumerate(sizes) if own == size])
        found[order] = np.roll(order, 1)
    return found


def permuted_stages(survey: Survey, name: str) -> list[Matrices]:
    """`(n, C, C)` a draw for whole images: what each would have been answered at its donor's stage is known."""
    fixed, stages = np.stack([stage.matrices for stage in survey.fixed]), np.array(survey.policies[name].stages)
    images = np.arange(len(stages))
    return [fixed[stages[donors(survey.sizes, draw)] - 1, images] for draw in range(FREE_DRAWS)]


@torch.no_grad()
def permuted_by_inference(
    network: Adaptive,
    dataset: Samples,
    pipeline: InputPipeline,
    observed: Observed,
    sizes: Sequence[tuple[int, int]],
    told: Callable[[int], object],
) -> list[Matrices]:
    """As `permuted_stages` for every other unit, by inference.

    Args:
        observed: what the policy decided.
        sizes: of each image.
    """
    draws = [donors(sizes, draw) for draw in range(DRAWS)]
    found: list[Observed] = [Observed() for _ in draws]
    for number in range(len(dataset)):
        image = shown(dataset[number], pipeline, dataset.classes)
        for given, kept in zip(draws, found, strict=True):
            dealt = Replayed("permuted", [observed.decisions[given[number]]])
            with pipeline.autocast():
                own = ask(network, image.image, dealt)
            kept.add(own, image.matrix(own.scores))
        told(number + 1)
    return [kept.matrices for kept in found]
