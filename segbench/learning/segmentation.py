"""A training of a segmentation network on a data set: what `segbench train` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segbench.cards.datasets import IGNORE
from segbench.data import Dataset, open_dataset
from segbench.data.cache import CachedDataset
from segbench.errors import UserError
from segbench.evaluation.confusion import Confusion
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.protocol import Protocol
from segbench.learning.class_weights import median_frequency_weights
from segbench.learning.distributed import World
from segbench.learning.feed import HeldSamples, fits_in_memory
from segbench.learning.plan import TrainingPlan
from segbench.records.case import Case
from segbench.workload.outputs import OutputReader
from segbench.workload.precision import autocast

SCORES = ("miou", "pixel_accuracy", "class_accuracy")
"""What a validation gives; absent classes are skipped."""

Tell = Callable[[str, int, int], None]
"""Hears (stage, done, total)."""


_LOOKED_AT = 8
"""Images of a split that are searched for a label."""


def open_split(
    case: Case, split: str, workers: int, tell: Tell, *, skip_broken: bool = False, cache: str = "off"
) -> Dataset:
    """A split of the case's data set, from the cache or decoded into memory where it is small.

    Worker processes would each hold a copy, so that memory is only for a training without them.

    Raises:
        DataError: it cannot be opened or read.
        UserError: it has more classes than the network gives, or no labels.
    """
    assert case.dataset is not None
    dataset = open_dataset(case.dataset, case.data_root, split, skip_broken=skip_broken, cache=cache)
    if dataset.classes > case.classes:
        raise UserError(f"{dataset.name} has {dataset.classes} classes, the case says {case.classes}; use --classes")
    looked_at = (dataset[index].label for index in range(min(_LOOKED_AT, len(dataset))))
    if not any((label != IGNORE).any() for label in looked_at):
        raise UserError(f"{dataset.name}, split {split}, has no labels; choose another split")
    if workers or isinstance(dataset, CachedDataset) or not fits_in_memory(len(dataset), *dataset.size):
        return dataset
    return HeldSamples(dataset, lambda done, total: tell(f"reading {split}", done, total))


def class_weights(dataset: Dataset, plan: TrainingPlan, device: torch.device) -> Tensor | None:
    """The recipe's class weights, counted over the training labels."""
    kind = plan.recipe.class_weights
    if kind == "none":
        return None
    labels = (dataset[index].label for index in range(len(dataset)))
    return torch.from_numpy(median_frequency_weights(labels, dataset.classes, kind)).to(device)


@dataclass(frozen=True)
class Validation:
    """Scores a network on a data set, shared out between processes.

    Attributes:
        dataset: of the validation split.
        protocol: how images are shown.
        world: each process takes every so-maniest image; the counts are added up.
        device: of the network.
        precision: of the plan.
        tell: hears progress.
        outputs: takes class scores out of what the network returns.
    """

    dataset: Dataset
    protocol: Protocol
    world: World
    device: torch.device
    precision: str
    tell: Tell
    outputs: OutputReader | None = None

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        """The scores named in `SCORES`.

        Raises:
            UserError: the network's answers are no finite numbers.
        """
        mine = range(self.world.rank, len(self.dataset), self.world.size)
        done = 0

        def count(*_: object) -> None:
            nonlocal done
            done += 1
            self.tell("validating", done, len(mine))

        found = evaluate(
            network,
            self.dataset,
            self.protocol,
            flip_pairs=self.dataset.flip_pairs,
            indices=mine,
            autocast=autocast(self.precision, self.device),
            observe=count,
            outputs=self.outputs,
        )
        confusion = Confusion(self.world.sum_counts(found.confusion.counts, self.device))
        return {
            "miou": confusion.miou(),
            "pixel_accuracy": confusion.pixel_accuracy,
            "class_accuracy": confusion.class_accuracy(),
        }
