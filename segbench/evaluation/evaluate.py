"""Runs a network over a data set and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench.data import Sample
from segbench.data.dataset import Pixels
from segbench.errors import UserError
from segbench.evaluation.boundary import BoundaryCounts, boundary_counts
from segbench.evaluation.confusion import Absent, Confusion, confusion_of
from segbench.evaluation.inference import FlipPairs, as_batch, class_scores
from segbench.evaluation.protocol import Protocol
from segbench.libraries.traits import traits_of
from segbench.workload.images import Samples
from segbench.workload.network import require_classes
from segbench.workload.outputs import OutputReader

_Matrices = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was counted, image by image.

    Attributes:
        names: of the images, in order.
        matrices: `(n, C, C)` each image's confusion matrix, laid out as in `Confusion`.
        boundary: counts of boundary pixels over all images; None where they were not asked for.
        protocol: how the network was asked.
    """

    names: tuple[str, ...]
    matrices: _Matrices
    boundary: BoundaryCounts | None
    protocol: Protocol

    @property
    def confusion(self) -> Confusion:
        """One matrix over the whole set: what papers report is read from it."""
        return Confusion(self.matrices.sum(0, dtype=np.int64))

    @property
    def image_iou(self) -> NDArray[np.float64]:
        """IoU of each image and class `(n, C)`; nan where a class is neither there nor predicted."""
        return np.stack([Confusion(matrix.astype(np.int64)).iou for matrix in self.matrices])

    def image_mean_miou(self, absent: Absent = "skip") -> float:
        """The mean over images of each image's mean IoU; not what papers report, but what differs image by image."""
        scores = [Confusion(matrix.astype(np.int64)).miou(absent) for matrix in self.matrices]
        return float(np.nanmean(scores)) if not np.isnan(scores).all() else float("nan")


PredictionObserver = Callable[[Sample, Pixels], None]
"""Sees each sample and its predicted classes `(H, W)` uint8: saves a picture, counts progress."""


def evaluate(
    network: nn.Module,
    dataset: Samples,
    protocol: Protocol,
    *,
    flip_pairs: FlipPairs = (),
    batch_size: int = 1,
    indices: Sequence[int] | None = None,
    boundary: bool = False,
    autocast: AbstractContextManager[object] | None = None,
    observe: PredictionObserver | None = None,
    outputs: OutputReader | None = None,
) -> Evaluation:
    """Asks a network about every image and counts; ignored pixels are left out.

    Args:
        network: put into `eval` for the time; runs where its parameters are.
        dataset: samples with labels.
        protocol: how to ask.
        flip_pairs: of the data set, for mirrored images.
        batch_size: images of equal size asked at once; the answers do not depend on it.
        indices: the samples to take, all by default; several processes may share a set this way.
        boundary: also count boundaries (about 15 ms an image at 480x360).
        autocast: mixed precision.
        observe: sees every sample and its class map.
        outputs: takes class scores out of what the network returns.

    Raises:
        DataError: a sample that cannot be read.
        UserError: the network gives other classes than the data set has, or scores that are no finite numbers.
    """
    names: list[str] = []
    matrices = [np.zeros((0, dataset.classes, dataset.classes), np.int32)]
    outlines = BoundaryCounts.empty(dataset.classes)
    chosen = range(len(dataset)) if indices is None else indices
    with autocast or nullcontext():
        for sample, prediction in predictions(network, dataset, protocol, chosen, flip_pairs, batch_size, outputs):
            label = torch.tensor(sample.label, device=prediction.device)
            names.append(sample.name)
            matrices.append(confusion_of(prediction[None], label[None], dataset.classes).counts[None].astype(np.int32))
            if boundary:
                outlines += boundary_counts(prediction, label, dataset.classes)
            if observe is not None:
                observe(sample, prediction.to(torch.uint8).cpu().numpy())
    return Evaluation(tuple(names), np.concatenate(matrices), outlines if boundary else None, protocol)


@torch.no_grad()
def predictions(
    network: nn.Module,
    dataset: Samples,
    protocol: Protocol,
    indices: Sequence[int],
    flip_pairs: FlipPairs = (),
    batch_size: int = 1,
    outputs: OutputReader | None = None,
) -> Iterator[tuple[Sample, Tensor]]:
    """Each sample with its predicted classes `(H, W)` int64, scores enlarged to the label's size before the argmax.

    Raises:
        DataError, UserError: as `evaluate`.
    """
    reader = outputs or OutputReader(classes=dataset.classes)
    device = next(network.parameters()).device
    with _in_eval(network):
        for samples in _equal_sized(dataset, indices, batch_size):
            height, width = samples[0].label.shape
            images = as_batch([sample.image for sample in samples]).to(device)
            ask = _full_size(network, reader)
            scores = class_scores(ask, images, (height, width), protocol, flip_pairs, traits_of(network))
            require_classes(type(network).__name__, scores.shape[1], dataset.classes)
            require_finite(type(network).__name__, scores, samples)
            yield from zip(samples, scores.argmax(1), strict=True)


def require_finite(network: str, scores: Tensor, samples: Sequence[Sample]) -> None:
    """Refuses scores that are NaN or infinite: argmax would make a class of them, and a score of that.

    Raises:
        UserError: names the first image.
    """
    good = torch.isfinite(scores).flatten(1).all(1)
    if not good.all():
        name = samples[int((~good).nonzero()[0])].name
        raise UserError(
            f"{network} answers NaN or infinity for image {name}, which no class can be read from; if it was trained"
            " well, look at what it does in eval mode, or take --precision fp32; else train with a smaller --lr"
        )


def _full_size(network: nn.Module, outputs: OutputReader) -> Callable[[Tensor], Tensor]:
    return lambda inputs: outputs.logits(network(inputs), (inputs.shape[-2], inputs.shape[-1]))


def _equal_sized(dataset: Samples, indices: Sequence[int], batch_size: int) -> Iterator[list[Sample]]:
    """Neighbours of one size, at most `batch_size` together."""
    group: list[Sample] = []
    for index in indices:
        sample = dataset[index]
        if group and (len(group) == batch_size or sample.image.shape != group[0].image.shape):
            yield group
            group = []
        group.append(sample)
    if group:
        yield group


@contextmanager
def _in_eval(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
