"""A data set asked under every policy, beside its controls: fixed exits, the oracle, and the grid shifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.adaptive.decisions import Decisions, Everything
from segbench.adaptive.policies import Policy
from segbench.adaptive.run import Adaptive, Unit
from segbench.data import Sample
from segbench.evaluation.confusion import Matrices, confusion_of
from segbench.judging.asking import Asked, ask, classes_at
from segbench.judging.calibration import Reliability
from segbench.judging.oracle import oracle
from segbench.judging.shift import half_a_block, shifted, shifted_back
from segbench.trajectories.sweep import InputPipeline
from segbench.workload.images import Samples

ORACLE = "oracle"


@dataclass
class Observed:
    """What one way to run the network did with every image, in the data set's order."""

    _matrices: list[NDArray[np.int64]] = field(default_factory=list)
    _macs: list[int] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    decisions: list[Decisions] = field(default_factory=list)

    def add(self, asked: Asked, matrix: NDArray[np.int64]) -> None:
        self._matrices.append(matrix)
        self._macs.append(asked.macs)
        self.stages.append(asked.stage)
        self.decisions.append(asked.decisions)

    @property
    def matrices(self) -> Matrices:
        """`(n, C, C)`."""
        return np.stack(self._matrices)

    @property
    def macs(self) -> NDArray[np.float64]:
        """Of each image alone `(n,)`."""
        return np.array(self._macs, np.float64)


@dataclass
class Survey:
    """What was found.

    Attributes:
        unit: of the network's decisions; None where it never decides.
        fixed: stopped after stage 1, 2, ..., the last, which is the whole network.
        policies: by name; so are `oracle` and the shifted ways.
        oracle: nothing where it is not defined.
        shifted: matrices of the network's own policy and of the whole network, both on shifted images; empty for units
            without a grid.
        calibration: of each stage.
        sizes: of each image as it is shown, (H, W).
    """

    unit: Unit | None = None
    fixed: list[Observed] = field(default_factory=list)
    policies: dict[str, Observed] = field(default_factory=lambda: defaultdict(Observed))
    oracle: Observed = field(default_factory=Observed)
    shifted: tuple[Observed, Observed] = field(default_factory=lambda: (Observed(), Observed()))
    calibration: list[Reliability] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def whole(self) -> Observed:
        """The network with all its stages."""
        return self.fixed[-1]


SurveyObserver = Callable[[int, Sample, dict[str, Asked]], None]
"""Sees the number of an image, the image, and what it was answered, by the name of the policy or control."""


@dataclass(frozen=True)
class Surveyor:
    """Asks image by image, so that each is read once and its truth is at hand for the oracle.

    Attributes:
        network: in `eval`.
        pipeline: how images reach it.
        policies: to be judged.
        own: the network's own policy, for the shifted grid.
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
            image = self.pipeline.inputs([sample])
            with self.pipeline.autocast():
                observe(number, sample, self._one_image(found, sample, image, dataset.classes))
        return found

    def _one_image(self, found: Survey, sample: Sample, image: Tensor, classes: int) -> dict[str, Asked]:
        label = torch.tensor(sample.label, device=image.device)
        stages = len(found.fixed) or self.network.begin(image).stages
        fixed = [ask(self.network, image, Everything(stage)) for stage in range(1, stages + 1)]
        asked = {policy.name: ask(self.network, image, policy) for policy in self.policies}
        found.fixed = found.fixed or [Observed() for _ in fixed]
        found.calibration = found.calibration or [Reliability() for _ in fixed]
        found.sizes.append((image.shape[-2], image.shape[-1]))
        for own, stage, reliability in zip(fixed, found.fixed, found.calibration, strict=True):
            stage.add(own, matrix_of(own.scores, label, classes))
            reliability.add(own.scores, resized_label(label, own.scores))
        for name, own in asked.items():
            found.policies[name].add(own, matrix_of(own.scores, label, classes))
        if run := fixed[-1].run:
            found.unit = run.unit
            asked |= self._oracle(found, fixed, image, label, classes)
            self._shifted(found, fixed[-1], image, label, classes)
        return {**{f"stage={stage}": own for stage, own in enumerate(fixed, 1)}, **asked}

    def _oracle(
        self, found: Survey, fixed: Sequence[Asked], image: Tensor, label: Tensor, classes: int
    ) -> dict[str, Asked]:
        run = fixed[-1].run
        assert run is not None
        policy = oracle(run, [own.scores for own in fixed], resized_label(label, fixed[-1].scores))
        if policy is None:
            return {}
        own = ask(self.network, image, policy)
        found.oracle.add(own, matrix_of(own.scores, label, classes))
        return {ORACLE: own}

    def _shifted(self, found: Survey, whole: Asked, image: Tensor, label: Tensor, classes: int) -> None:
        size = (image.shape[-2], image.shape[-1])
        by = half_a_block(whole.run, size, self.network.multiple_of) if whole.run else None
        if by is None or self.own is None:
            return
        for policy, kept in zip((self.own, Everything()), found.shifted, strict=True):
            own = ask(self.network, shifted(image, by), policy)
            kept.add(own, matrix_of(shifted_back(own.scores, size, by), label, classes))


def resized_label(label: Tensor, scores: Tensor) -> Tensor:
    """`(h, w)` of scores `(1, classes, h, w)`, nearest."""
    small = functional.interpolate(label[None, None].float(), size=scores.shape[-2:], mode="nearest-exact")
    return small[0, 0].long()


def matrix_of(scores: Tensor, label: Tensor, classes: int) -> NDArray[np.int64]:
    size = (label.shape[0], label.shape[1])
    return confusion_of(classes_at(scores, size), label[None], classes).counts
