"""Which images a step sees and how they are augmented: a function of seed and step, whatever the number of
processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from segbench.data import Dataset, Sample
from segbench.data.dataset import Forwarding
from segbench.errors import DataError, UserError
from segbench.learning.augment import DRAWN, colour_jittered, crop, draw, renormalised
from segbench.learning.plan import TrainingPlan
from segbench.libraries.traits import Traits
from segbench.workload.images import Samples

AugmentedSample = tuple[Tensor, Tensor, Tensor]
"""One image `(3, H, W)` uint8, its target, and its colour matrix `(3, 4)` float32."""


@dataclass(frozen=True)
class TrainingBatch:
    """Part of a step's images in one process.

    Attributes:
        images: `(N, 3, H, W)` uint8, uncoloured.
        targets: `(N, h, w)` uint8 labels, or `(N,)` int64 classes of whole images.
        colours: `(N, 3, 4)` float32.
    """

    images: Tensor
    targets: Tensor
    colours: Tensor

    def to(self, device: torch.device) -> TrainingBatch:
        return TrainingBatch(
            *(part.to(device, non_blocking=True) for part in (self.images, self.targets, self.colours))
        )

    def pin_memory(self) -> TrainingBatch:
        """Page-locked, for copies to CUDA that do not wait (torch's loader calls it)."""
        return TrainingBatch(*(part.pin_memory() for part in (self.images, self.targets, self.colours)))

    def inputs(self, channels_last: bool = False) -> Tensor:
        """Coloured and normalised `(N, 3, H, W)` float32."""
        images = colour_jittered(self.images, self.colours)
        return images.contiguous(memory_format=torch.channels_last) if channels_last else images


class HeldSamples(Forwarding):
    """A data set decoded into memory: for small ones, where decoding PNGs would cost more than the network's step.

    Args:
        dataset: read once, now.
        progress: gets (done, total).
    """

    def __init__(self, dataset: Dataset, progress: Callable[[int, int], None] | None = None) -> None:
        super().__init__(dataset)
        self._samples: list[Sample] = []
        with ThreadPoolExecutor(torch.get_num_threads()) as readers:
            for sample in readers.map(dataset.__getitem__, range(len(dataset))):
                self._samples.append(sample)
                if progress is not None:
                    progress(len(self._samples), len(dataset))

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int, /) -> Sample:
        return self._samples[index]


HOLD_LIMIT_BYTES = 2 * 10**9
"""Sets that decode to less are held in memory: CamVid at 480x360 takes 0.25e9 bytes, Cityscapes 25e9."""


def fits_in_memory(count: int, width: int, height: int) -> bool:
    """Whether so many images of that size, three bytes and one of label a pixel, are worth holding."""
    return count * width * height * 4 <= HOLD_LIMIT_BYTES


class Augmenter(Protocol):
    """Makes a training example of a sample; must be picklable, for worker processes."""

    def __len__(self) -> int: ...

    def __call__(self, index: int, numbers: Sequence[float], /) -> AugmentedSample:
        """Sample `index`, augmented as the numbers say (see `draw`)."""


@dataclass(frozen=True)
class LabelledAugmenter:
    """Cuts images with their label maps.

    Attributes:
        samples: the training set.
        plan: sizes and augmentation.
        flip_pairs: of the data set.
        traits: of the network; None for images as most take them.
    """

    samples: Samples
    plan: TrainingPlan
    flip_pairs: Sequence[tuple[int, int]] = ()
    traits: Traits | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __call__(self, index: int, numbers: Sequence[float], /) -> AugmentedSample:
        sample = self.samples[index]
        size = self.plan.width, self.plan.height
        drawn = draw(self.plan.augmentation, (sample.image.shape[1], sample.image.shape[0]), size, numbers)
        image, label = crop(sample, drawn, size, self.plan.label_stride, self.flip_pairs)
        return image, label, torch.from_numpy(renormalised(drawn.colour, self.traits))


class Feed(TorchDataset[AugmentedSample]):
    """The endless stream of a run's images.

    The stream is one shuffled epoch after the other; position p shows sample `order[p mod n]` of epoch `p div n`,
    augmented as the numbers drawn with the seed (seed, p) say. So a run that is continued, or shared by several
    processes, sees exactly the same pixels, and every image is used equally often even where the batch does not divide
    the set.

    Args:
        augmenter: makes the examples.
        seed: of order and augmentation.

    Raises:
        UserError: there is nothing to train on.
    """

    def __init__(self, augmenter: Augmenter, seed: int) -> None:
        if not len(augmenter):
            raise UserError("the training split is empty; choose another with --split")
        self._augmenter = augmenter
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    @property
    def images_per_epoch(self) -> int:
        return len(self._augmenter)

    def __getitem__(self, position: int) -> AugmentedSample:
        epoch, place = divmod(position, len(self._augmenter))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self._seed, epoch, 0)).permutation(len(self._augmenter))
        numbers = np.random.default_rng((self._seed, position)).random(DRAWN).tolist()
        return self._augmenter(int(self._order[1][place]), numbers)


def require_shares(plan: TrainingPlan, world: int) -> int:
    """The images of one part: the batch is shared by all processes, and worked off in `accumulate` parts by each.

    Raises:
        UserError: it cannot be shared out evenly.
    """
    size, parts = plan.recipe.batch_size, world * plan.accumulate
    if size % parts:
        shared = f"{world} processes times {plan.accumulate} parts"
        raise UserError(f"a batch of {size} cannot be shared by {shared}; choose a multiple of {parts} with -b")
    return size // parts


def batches(
    feed: Feed, plan: TrainingPlan, start: int, device: torch.device, rank: int = 0, world: int = 1
) -> Iterator[list[TrainingBatch]]:
    """This process's parts of every step from `start` on: `accumulate` batches a step, on the device.

    Raises:
        UserError: the batch cannot be shared out evenly.
        DataError: a broken file, also where a worker process met it.
    """
    share = require_shares(plan, world)
    mine = range(rank * plan.accumulate, (rank + 1) * plan.accumulate)
    keys = _Keys(start, plan.recipe.batch_size, share, mine)
    loaded = iter(_loaded(feed, plan.workers, keys, device))
    while True:
        yield [_whole(next(loaded)).to(device) for _ in mine]


@dataclass(frozen=True)
class _Keys:
    """Endless lists of stream positions: this process's parts of each step, in order."""

    start: int
    size: int
    share: int
    mine: range

    def __iter__(self) -> Iterator[list[int]]:
        step = self.start
        while True:
            for part in self.mine:
                first = step * self.size + part * self.share
                yield list(range(first, first + self.share))
            step += 1


def _loaded(feed: Feed, workers: int, keys: _Keys, device: torch.device) -> Iterator[TrainingBatch | DataError]:
    if not workers:
        return (_joined([feed[position] for position in positions]) for positions in keys)
    loader: DataLoader[AugmentedSample | DataError] = DataLoader(
        _Reporting(feed),
        batch_sampler=keys,  # endless: nobody may ask its length
        num_workers=workers,
        collate_fn=_joined,
        pin_memory=device.type == "cuda",
    )
    return iter(loader)


@dataclass(frozen=True)
class _Reporting(TorchDataset[AugmentedSample | DataError]):
    """The feed in a worker process; an error is handed over as a value, because torch would rewrite its text."""

    feed: Feed

    def __getitem__(self, position: int) -> AugmentedSample | DataError:
        try:
            return self.feed[position]
        except DataError as error:
            return error


def _joined(crops: Sequence[AugmentedSample | DataError]) -> TrainingBatch | DataError:
    whole: list[AugmentedSample] = []
    for one in crops:
        if isinstance(one, DataError):
            return one
        whole.append(one)
    images, targets, colours = zip(*whole, strict=True)
    return TrainingBatch(torch.stack(images), torch.stack(targets), torch.stack(colours))


def _whole(batch: TrainingBatch | DataError) -> TrainingBatch:
    if isinstance(batch, DataError):
        raise batch
    return batch
