"""Where a workload's batches come from: random numbers, or the real images of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from segbench.data import Sample, open_dataset
from segbench.data.images import resized
from segbench.errors import UserError
from segbench.libraries.traits import IMAGENET_MEAN, IMAGENET_STD, Traits
from segbench.records.case import Case


class Samples(Protocol):
    """What is needed of a data set."""

    @property
    def classes(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


SCENES = 8
"""Real images over which a cost that depends on the image is taken."""

Batch = tuple[Tensor, Tensor]
"""Images `(N, 3, H, W)` float32, normalised, and labels `(N, H, W)` int64 with 255 for ignored pixels."""


def batch_source(case: Case, device: torch.device, traits: Traits | None = None) -> Callable[[int], Batch]:
    """A function that gives a batch of so many images of the case's size on the device.

    Args:
        case, device: as they say.
        traits: of the network: how many channels it takes, and what is taken out of them.

    Raises:
        UserError: the data set has more classes than the network gives, or other channels than it takes.
        DataError: the data set cannot be opened.
    """
    taken = traits or Traits()
    if case.dataset is None:
        return lambda count: random_batch(count, case.height, case.width, case.classes, device, taken.channels)
    require_colours(case.model, taken)
    dataset = open_dataset(case.dataset, root=case.data_root, split=case.split or "train")
    if dataset.classes > case.classes:
        raise UserError(f"{dataset.name} has {dataset.classes} classes, the case says {case.classes}; use --classes")
    return lambda count: real_batch(dataset, count, case.height, case.width, device, taken)


def with_scenes(case: Case) -> Case:
    """The case with real images: of its data set, or of segbench's street scenes at its size. Noise would tell nothing
    of a network whose cost depends on the image."""
    scenes = f"synthetic:size={case.width}x{case.height}"
    return replace(case, dataset=case.dataset or scenes, split=case.split or "test")


def require_colours(network: str, traits: Traits) -> None:
    """Refuses a network whose images are not of three channels: those of data sets are.

    Raises:
        UserError: the sentence says how many it takes.
    """
    if traits.channels != 3:
        raise UserError(f"{network} takes images of {traits.channels} channels, and those of data sets have 3")


def random_batch(count: int, height: int, width: int, classes: int, device: torch.device, channels: int = 3) -> Batch:
    """Standard normal images and uniform labels; cost does not depend on the values."""
    images = torch.randn(count, channels, height, width, device=device)
    labels = torch.randint(0, classes, (count, height, width), device=device)
    return images, labels


def real_batch(
    dataset: Samples, count: int, height: int, width: int, device: torch.device, traits: Traits | None = None
) -> Batch:
    """The first `count` samples (again from the start where the set is smaller), resized to the case's size."""
    samples = [resized(dataset[index % len(dataset)], (width, height)) for index in range(count)]
    images = np.stack([sample.image for sample in samples])
    labels = np.stack([sample.label for sample in samples])
    return normalise_images(torch.from_numpy(images).to(device), traits), torch.from_numpy(labels).to(device).long()


def normalise_images(images: Tensor, traits: Traits | None = None) -> Tensor:
    """`(N, H, W, 3)` uint8 to `(N, 3, H, W)` float32; the network's mean and deviation are taken out, or ImageNet's."""
    taken = traits or Traits()
    mean, std = _mean_and_std(images.device, (taken.mean or IMAGENET_MEAN, taken.std or IMAGENET_STD))
    return images.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std).contiguous()


_Colour = tuple[tuple[float, ...], tuple[float, ...]]
_KEPT: dict[tuple[torch.device, _Colour], tuple[Tensor, Tensor]] = {}


def _mean_and_std(device: torch.device, colour: _Colour = (IMAGENET_MEAN, IMAGENET_STD)) -> tuple[Tensor, Tensor]:
    """Each `(1, 3, 1, 1)`, on the device; copied there once, since such a copy makes the host wait for the GPU.

    Under a mode that only pretends to compute (a prediction's) they are pretended too, and not kept.
    """
    if (device, colour) in _KEPT:
        return _KEPT[device, colour]
    mean, std = (torch.tensor(numbers, device=device).view(1, 3, 1, 1) for numbers in colour)
    if type(mean) is Tensor and not mean.is_inference():
        _KEPT[device, colour] = mean, std
    return mean, std
