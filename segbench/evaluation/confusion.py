"""One confusion matrix over a whole set, and every score that is read from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.cards.datasets import IGNORE

Absent = Literal["skip", "zero"]
"""What a class counts that occurs neither in the truth nor in the prediction: nothing, or an IoU of 0.

`skip` is the rule of cityscapesScripts and mmsegmentation, `zero` that of HRNet's and SegNet's scripts. They agree on
full validation sets and differ on small ones, so every report says which it used."""

Floats = NDArray[np.float64]

Matrices = NDArray[Any]
"""`(n, C, C)` confusion matrices of single images, rows the true classes."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each class was taken for each other.

    Attributes:
        counts: `(C, C)` int64 pixels; row: true class, column: predicted class. Ignored pixels are not in it.
    """

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def total(cls, parts: Iterable[Confusion], classes: int) -> Confusion:
        """The sum of the matrices of single images or batches."""
        return sum(parts, cls.empty(classes))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    @property
    def iou(self) -> Floats:
        """Intersection over union of each class `(C,)`; nan where a class is neither there nor predicted."""
        hits = np.diag(self.counts)
        return _ratio(hits, self.counts.sum(0) + self.counts.sum(1) - hits)

    @property
    def recall(self) -> Floats:
        """Share of each class's pixels that are right `(C,)`; nan where the class does not occur."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    def miou(self, absent: Absent = "skip") -> float:
        """Mean IoU over the classes, 0..1; nan for an empty matrix under `skip`."""
        return _mean(self.iou, absent)

    def class_accuracy(self, absent: Absent = "skip") -> float:
        """Mean recall over the classes, 0..1 (SegNet's "class average accuracy")."""
        return _mean(self.recall, absent)

    @property
    def pixel_accuracy(self) -> float:
        """Share of labelled pixels that are right, 0..1; nan if there are none."""
        return float(_ratio(np.diag(self.counts).sum(), self.counts.sum()))


def confusion_of(prediction: Tensor, label: Tensor, classes: int) -> Confusion:
    """The confusion matrix of a batch.

    Args:
        prediction: `(N, H, W)` predicted classes, any integer type.
        label: `(N, H, W)` true classes, 255 where a pixel does not count.
        classes: C.
    """
    rows = label.long().masked_fill(label == IGNORE, classes)  # a row of their own, left out below
    pairs = (rows * classes + prediction).flatten()
    count = np.bincount if pairs.device.type == "cpu" else torch.bincount  # numpy's is far faster on the CPU
    counts = torch.as_tensor(count(pairs, minlength=classes**2))[: classes**2]
    return Confusion(counts.reshape(classes, classes).cpu().numpy())


def mean_iou(matrices: Matrices) -> Floats:
    """`(..., C, C)` matrices to `(...,)` mean IoU over the classes that occur or are predicted; nan where none does."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1).astype(np.float64)
    union = matrices.sum(-1) + matrices.sum(-2) - hits
    iou = np.divide(hits, union, out=np.zeros_like(hits), where=union > 0)
    there = (union > 0).sum(-1)
    means: Floats = np.divide(iou.sum(-1), there, out=np.full(np.shape(there), np.nan), where=there > 0)
    return means


def _ratio(part: NDArray[np.int64] | np.int64, whole: NDArray[np.int64] | np.int64) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / np.asarray(whole, np.float64), np.float64)


def _mean(values: Floats, absent: Absent) -> float:
    if absent == "zero":
        return float(np.nan_to_num(values).mean())
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")
