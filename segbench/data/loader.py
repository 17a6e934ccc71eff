"""Batches as torch tensors, made by worker processes; thin: what is in a sample is the data set's business."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from segbench.data.dataset import Dataset, Pixels, Sample
from segbench.errors import DataError, UserError

Change = Callable[[Sample], Sample]
"""Applied to each sample in the worker; must be picklable."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one size.

    Attributes:
        images: `(N, 3, H, W)` uint8.
        labels: `(N, H, W)` uint8 train ids, 255 to ignore.
        names: of the samples.
    """

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]

    def to(self, device: torch.device | str) -> Batch:
        """On the device; copies from pinned memory do not wait."""
        return Batch(self.images.to(device, non_blocking=True), self.labels.to(device, non_blocking=True), self.names)

    def pin_memory(self) -> Batch:
        """Page-locked; torch's loader calls it."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.names)


class Loader:
    """An iterable of batches; each iteration goes through `order` once.

    Args:
        dataset: must be picklable where workers are started afresh, as all of ours are.
        batch_size: of all batches but the last.
        order: indices of samples; None is the data set's own order.
        size: (width, height) every sample is resized to; None needs samples of one size in each batch.
        change: applied to each sample before it is resized.
        workers: processes that decode; 0 decodes here.
        pinned: give page-locked tensors, for copies to CUDA that do not wait.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        *,
        order: Sequence[int] | None = None,
        size: tuple[int, int] | None = None,
        change: Change | None = None,
        workers: int = 0,
        pinned: bool = False,
    ) -> None:
        self._order = range(len(dataset)) if order is None else order
        self._batch_size = batch_size
        self._loader: DataLoader[Any] = DataLoader(
            _Prepared(dataset, size, change),
            batch_size=batch_size,
            sampler=self._order,
            num_workers=workers,
            collate_fn=_join,
            pin_memory=pinned,
        )

    def __len__(self) -> int:
        """Batches in one iteration."""
        return -(-len(self._order) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """
        Raises:
            DataError: a broken file, also when a worker met it.
            UserError: samples of different sizes in one batch.
        """
        for batch in self._loader:
            if isinstance(batch, Exception):
                raise batch
            yield batch


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at (width, height): the image with anti-aliased bilinear weights, the label by its nearest pixel."""
    if sample.label.shape == size[::-1]:
        return sample
    image = Image.fromarray(sample.image).resize(size, Image.Resampling.BILINEAR)
    label = Image.fromarray(sample.label).resize(size, Image.Resampling.NEAREST)
    return Sample(np.asarray(image), np.asarray(label), sample.name)


@dataclass(frozen=True)
class _Prepared(TorchDataset[Sample | DataError]):
    """Samples as a worker makes them; an error is handed over as a value, because torch would rewrite its text."""

    dataset: Dataset
    size: tuple[int, int] | None
    change: Change | None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample | DataError:
        try:
            sample = self.dataset[index]
        except DataError as error:
            return error
        if self.change is not None:
            sample = self.change(sample)
        return sample if self.size is None else resized(sample, self.size)


def _join(samples: Sequence[Sample | DataError]) -> Batch | UserError:
    good: list[Sample] = []
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
        good.append(sample)
    sizes = {sample.label.shape for sample in good}
    if len(sizes) > 1:
        several = ", ".join(sorted(f"{width}x{height}" for height, width in sizes))
        return UserError(f"images of one batch have different sizes ({several}); give a size to resize them to")
    images = torch.from_numpy(np.stack([_channels_first(sample.image) for sample in good]))
    labels = torch.from_numpy(np.stack([sample.label for sample in good]))
    return Batch(images, labels, tuple(sample.name for sample in good))


def _channels_first(image: Pixels) -> Pixels:
    return image.transpose(2, 0, 1)
