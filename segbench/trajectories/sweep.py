"""The accuracy of every end over a data set, image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.data import Sample
from segbench.errors import UserError
from segbench.evaluation.confusion import confusion_of
from segbench.evaluation.inference import as_batch, resize_batch
from segbench.evaluation.protocol import Protocol
from segbench.trajectories.subject import End, Subject
from segbench.workload.images import Samples, normalise_images

Autocast = Callable[[], AbstractContextManager[object]]

MapsObserver = Callable[[int, Sample, NDArray[np.uint8]], None]
"""Sees the number of an image, the image, and its class maps `(ends, H, W)`."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """What was found at every end.

    Attributes:
        ends: the end times in order, then the other numbers of steps; `reference` is the network's own end.
        names: of the images.
        matrices: `(ends, n, C, C)` int32 confusion matrices of single images.
        changed: `(ends, n)` share of all pixels whose class differs from the one at the reference.
    """

    ends: tuple[End, ...]
    reference: End
    names: tuple[str, ...]
    matrices: NDArray[np.int32]
    changed: NDArray[np.float64]

    def of(self, end: End) -> NDArray[np.int32]:
        """The matrices `(n, C, C)` at one end."""
        found: NDArray[np.int32] = self.matrices[self.ends.index(end)]
        return found

    @property
    def times(self) -> list[End]:
        """The ends of the first knob: times."""
        return [end for end in self.ends if end.knob == "time"]

    @property
    def coarser(self) -> list[End]:
        """The ends of the second knob: numbers of steps."""
        return [end for end in self.ends if end.knob == "steps"]


@dataclass(frozen=True)
class InputPipeline:
    """How images are shown to the network.

    Attributes:
        protocol: gives the size, at one scale. Answers are enlarged to the label's size before they count.
        device: of the network.
        autocast: opens the case's precision.
        channels_last: memory layout of the images.
    """

    protocol: Protocol
    device: torch.device
    autocast: Autocast
    channels_last: bool = False

    def pictures(self, samples: Sequence[Sample]) -> Tensor:
        """`(N, height, width, 3)` uint8 on the host, scaled."""
        images = as_batch([sample.image for sample in samples])
        width, height = self.protocol.input_size(images.shape[-1], images.shape[-2])
        return resize_batch(images, width, height).permute(0, 2, 3, 1).contiguous()

    def inputs(self, samples: Sequence[Sample]) -> Tensor:
        """`(N, 3, height, width)` normalised, of images of one size."""
        images = normalise_images(self.pictures(samples).to(self.device))
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images


@torch.no_grad()
def sweep_ends(
    subject: Subject,
    dataset: Samples,
    times: Sequence[End],
    coarser: Sequence[End],
    pipeline: InputPipeline,
    batch_size: int = 4,
    observe: MapsObserver | None = None,
) -> Sweep:
    """Asks the network about every image at every end: one solve a batch for all times, one for each number of steps.

    Args:
        subject: its network is put into `eval`.
        dataset: samples with labels.
        times: increasing, the network's own end among them.
        coarser: numbers of steps for the whole interval.
        pipeline: how images reach the network.
        batch_size: images at once.
        look: observations on.

    Raises:
        UserError: a state that is not finite, named with its time; a solver that gives up.
        DataError: a sample that cannot be read.
    """
    subject.network.eval()
    ends = (*times, *coarser)
    reference = subject.end_at(subject.t_end)
    names: list[str] = []
    matrices: list[NDArray[np.int32]] = []
    changed: list[NDArray[np.float64]] = []
    for samples in equal_sized(dataset, batch_size):
        with pipeline.autocast():
            inputs = pipeline.inputs(samples)
            scores = [*subject.answers(inputs, times), *(subject.answer(inputs, end) for end in coarser)]
        _require_finite(scores, ends, samples)
        for place, sample in enumerate(samples):
            size = (sample.label.shape[0], sample.label.shape[1])
            maps = torch.cat([classes_at(score[place : place + 1], size) for score in scores])
            label = torch.tensor(sample.label, device=maps.device)
            found = [confusion_of(item[None], label[None], dataset.classes).counts for item in maps]
            matrices.append(np.stack(found).astype(np.int32))
            changed.append((maps != maps[ends.index(reference)]).double().mean((1, 2)).cpu().numpy())
            if observe is not None:
                observe(len(names), sample, maps.to(torch.uint8).cpu().numpy())
            names.append(sample.name)
    return Sweep(ends, reference, tuple(names), np.stack(matrices, axis=1), np.stack(changed, axis=1))


def classes_at(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Classes `(N, *size)`, scores enlarged bilinearly before the argmax."""
    if scores.shape[-2:] != size:
        scores = functional.interpolate(scores, size=size, mode="bilinear", align_corners=False)
    return scores.max(1).indices  # a quarter of argmax's time on a CPU


def _require_finite(scores: Sequence[Tensor], ends: Sequence[End], samples: Sequence[Sample]) -> None:
    for end, score in zip(ends, scores, strict=True):
        if torch.isfinite(score.sum()):  # one pass; what is not finite stays so in a sum
            continue
        good = torch.isfinite(score).flatten(1).all(1)
        if not good.all():
            name = samples[int((~good).nonzero()[0])].name
            raise UserError(
                f"the state is not finite at {end} (image {name}): the solve has diverged; take a shorter end time or"
                " more steps, or train with a smaller learning rate"
            )


def equal_sized(dataset: Samples, batch_size: int) -> Iterator[list[Sample]]:
    """Neighbours of one size, at most `batch_size` together."""
    group: list[Sample] = []
    for index in range(len(dataset)):
        sample = dataset[index]
        if group and (len(group) == batch_size or sample.image.shape != group[0].image.shape):
            yield group
            group = []
        group.append(sample)
    if group:
        yield group
