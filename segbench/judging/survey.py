"""A data set asked under every policy, beside its controls: fixed exits, the oracle, and the grid shifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.adaptive.decisions import Decisions, Everything
from segbench.adaptive.policies import Policy
from segbench.adaptive.run import Adaptive, DecisionUnit, Run
from segbench.data import Sample
from segbench.evaluation.confusion import Matrices, confusion_of
from segbench.judging.asking import Asked, ask, label_at
from segbench.judging.calibration import Reliability
from segbench.judging.oracle import cheapest_as_good, oracle
from segbench.judging.shift import half_a_cell, overlap, shifted, shifted_back
from segbench.trajectories.sweep import InputPipeline, classes_at
from segbench.workload.images import Samples

ORACLE = "oracle"


@dataclass
class Observed:
    """What one way to run the network did with every image, in the data set's order."""

    _matrices: list[NDArray[np.int64]] = field(default_factory=list)
    _macs: list[int] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)

    def add(self, asked: Asked, matrix: NDArray[np.int64]) -> None:
        self._matrices.append(matrix)
        self._macs.append(asked.macs)
        self.stages.append(asked.stage)

    @property
    def matrices(self) -> Matrices:
        """`(n, C, C)`."""
        return np.stack(self._matrices)

    @property
    def macs(self) -> NDArray[np.float64]:
        """Of each image alone `(n,)`."""
        return np.array(self._macs, np.float64)


@dataclass(frozen=True)
class Shifted:
    """One way to run the network, on images and on the same images shifted, scored where both have pixels."""

    plain: Observed = field(default_factory=Observed)
    moved: Observed = field(default_factory=Observed)


@dataclass
class Survey:
    """What was found.

    Attributes:
        unit: of the network's decisions; None where it never decides.
        fixed: stopped after stage 1, 2, ..., the last, which is the whole network.
        policies: by name.
        decisions: of each policy, on each image.
        oracle: nothing of a network that never decides.
        shifted: under the network's own policy and in full, on the part of the images that a shift leaves; nothing
            for units without a grid.
        calibration: of each stage.
        sizes: of each image as it is shown, (H, W).
    """

    unit: DecisionUnit | None = None
    fixed: list[Observed] = field(default_factory=list)
    policies: dict[str, Observed] = field(default_factory=lambda: defaultdict(Observed))
    decisions: dict[str, list[Decisions]] = field(default_factory=lambda: defaultdict(list))
    oracle: Observed = field(default_factory=Observed)
    shifted: tuple[Shifted, Shifted] = field(default_factory=lambda: (Shifted(), Shifted()))
    calibration: list[Reliability] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def whole(self) -> Observed:
        """The network with all its stages."""
        return self.fixed[-1]


SurveyObserver = Callable[[int, Sample, dict[str, Asked]], None]
"""Sees the number of an image, the image, and what it was answered by the name of the policy, or of the oracle."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One image as the network sees it, and its truth.

    Attributes:
        image: `(1, 3, H, W)`.
        label: `(h, w)`, 255 ignored.
        classes: of the data set.
    """

    image: Tensor
    label: Tensor
    classes: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.shape[-2], self.image.shape[-1]

    def matrix(self, scores: Tensor) -> NDArray[np.int64]:
        """The confusion matrix `(C, C)` of scores `(1, C, ...)` of any size."""
        seen = classes_at(scores, (self.label.shape[0], self.label.shape[1]))
        return confusion_of(seen, self.label[None], self.classes).counts


def shown(sample: Sample, pipeline: InputPipeline, classes: int) -> Shown:
    """An image with its truth on the network's device."""
    image = pipeline.inputs([sample])
    return Shown(image, torch.tensor(sample.label, device=image.device), classes)


@dataclass(frozen=True)
class Surveyor:
    """Asks image by image, so that each is read once and its truth is at hand for the oracle.

    Attributes:
        network: in `eval`.
        pipeline: how images reach it.
        policies: to be judged.
        own: the network's own policy, for the shifted grid; None where it is not judged.
    """

    network: Adaptive
    pipeline: InputPipeline
    policies: Sequence[Policy]
    own: Policy | None

    @torch.no_grad()
    def survey(self, dataset: Samples, observe: SurveyObserver) -> Survey:
        """All images of a data set.

        Raises:
            UserError: images of a size the network cannot take; scores that are not finite.
            DataError: a sample that cannot be read.
        """
        found = Survey()
        for number in range(len(dataset)):
            sample = dataset[number]
            image = shown(sample, self.pipeline, dataset.classes)
            found.sizes.append(image.size)
            with self.pipeline.autocast():
                fixed = self._fixed(found, image)
                observe(number, sample, self._decided(found, image, fixed))
        return found

    def _fixed(self, found: Survey, image: Shown) -> list[Asked]:
        """The network stopped at every stage."""
        if not found.fixed:
            stages = self.network.begin(image.image).stages
            found.fixed, found.calibration = [Observed() for _ in range(stages)], [Reliability() for _ in range(stages)]
        asked = [ask(self.network, image.image, Everything(stage)) for stage in range(1, len(found.fixed) + 1)]
        for own, stage, reliability in zip(asked, found.fixed, found.calibration, strict=True):
            stage.add(own, image.matrix(own.scores))
            reliability.add(own.scores, label_at(image.label, own.scores))
        return asked

    def _decided(self, found: Survey, image: Shown, fixed: Sequence[Asked]) -> dict[str, Asked]:
        """Everything that decides; nothing of a network that does not."""
        run = fixed[-1].run
        if run is None:
            return {}
        found.unit = run.unit
        asked = {policy.name: ask(self.network, image.image, policy) for policy in self.policies}
        for name, own in asked.items():
            found.policies[name].add(own, image.matrix(own.scores))
            found.decisions[name].append(own.decisions)
        self._shifted(found, image, run, asked, fixed[-1])
        if run.unit == "path":
            by_truth = cheapest_as_good(list(asked.values()), fixed[-1], image.label)
        else:
            chosen = oracle(run, [own.scores for own in fixed], image.label)
            by_truth = ask(self.network, image.image, chosen)
        found.oracle.add(by_truth, image.matrix(by_truth.scores))
        return {**asked, ORACLE: by_truth}

    def _shifted(self, found: Survey, image: Shown, run: Run, asked: Mapping[str, Asked], whole: Asked) -> None:
        """Shows the image shifted, under the network's own policy and in full."""
        by = half_a_cell(run, image.size)
        if by is None or self.own is None:
            return
        plain = asked[self.own.name], whole
        part = replace(image, label=overlap(image.label, image.size, by))
        for policy, before, kept in zip((self.own, Everything()), plain, found.shifted, strict=True):
            own = ask(self.network, shifted(image.image, by), policy)
            kept.moved.add(own, part.matrix(shifted_back(own.scores, image.size, by)))
            kept.plain.add(before, part.matrix(before.scores))
