"""How well the outlines are met: the F-score of class boundaries within a tolerance.

After Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013: a
boundary pixel counts as right if the other map has a boundary of the same class within 0.75 % of the image's diagonal.
They average over images; here the counts are summed over the set first, as for mIoU, so that an image without a class
needs no rule of its own (our choice).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.cards.datasets import IGNORE

TOLERANCE = 0.0075
"""Share of the image's diagonal (Csurka et al. 2013): 4.5 pixels at 480x360."""

_BITS = 62
"""Classes that fit into one int64 word, its sign bit left alone."""


@dataclass(frozen=True, eq=False)
class BoundaryCounts:
    """Boundary pixels of each class, summed over images.

    Attributes:
        counts: `(4, C)` int64: predicted boundary pixels near a true one, predicted ones, true ones near a predicted
            one, true ones.
    """

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> BoundaryCounts:
        return cls(np.zeros((4, classes), np.int64))

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(self.counts + other.counts)

    @property
    def f_score(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall of each class `(C,)`; nan where neither map has a boundary."""
        near_true, predicted, near_predicted, true = self.counts.astype(np.float64)
        precision = np.divide(near_true, predicted, out=np.zeros_like(true), where=predicted > 0)
        recall = np.divide(near_predicted, true, out=np.zeros_like(true), where=true > 0)
        both = precision + recall
        score = np.divide(2 * precision * recall, both, out=np.zeros_like(true), where=both > 0)
        return np.where(predicted + true > 0, score, np.nan)

    @property
    def mean_f_score(self) -> float:
        """Mean over the classes that have a boundary anywhere; nan if none has."""
        there = self.f_score[~np.isnan(self.f_score)]
        return float(there.mean()) if there.size else float("nan")


def boundary_counts(prediction: Tensor, label: Tensor, classes: int, tolerance: float = TOLERANCE) -> BoundaryCounts:
    """The counts of one image.

    A boundary pixel of a class has an upper, lower, left or right neighbour of another class; boundaries with ignored
    pixels do not count, on neither side.

    Args:
        prediction, label: `(H, W)` classes, 255 in `label` where a pixel does not count.
        classes: C.
        tolerance: reach as a share of the diagonal.
    """
    radius = tolerance * math.hypot(*label.shape)
    predicted = prediction.long().masked_fill(label == IGNORE, IGNORE)
    true = label.long()
    rows = [*_near_and_all(predicted, true, classes, radius), *_near_and_all(true, predicted, classes, radius)]
    return BoundaryCounts(torch.stack(rows).cpu().numpy().astype(np.int64))


def _near_and_all(mine: Tensor, other: Tensor, classes: int, radius: float) -> tuple[Tensor, Tensor]:
    """For each class, how many boundary pixels of `mine` are near one of `other`, and how many there are `(C,)`."""
    of_class = mine[_edges(mine)]
    near = torch.zeros_like(of_class, dtype=torch.bool)
    for first in range(0, classes, _BITS):
        reach = _dilated(_bits(other, first), radius)[_edges(mine)]
        here = (of_class >= first) & (of_class < first + _BITS)
        near |= here & ((reach >> (of_class - first).clamp(0, _BITS)) & 1).bool()
    return torch.bincount(of_class[near], minlength=classes), torch.bincount(of_class, minlength=classes)


def _edges(classes_of: Tensor) -> Tensor:
    """`(H, W)` bool: pixels beside one of another class, ignored ones apart."""
    edge = torch.zeros_like(classes_of, dtype=torch.bool)
    for axis in (0, 1):
        pairs = classes_of.shape[axis] - 1
        first, second = classes_of.narrow(axis, 0, pairs), classes_of.narrow(axis, 1, pairs)
        differs = (first != second) & (first != IGNORE) & (second != IGNORE)
        edge.narrow(axis, 0, pairs).logical_or_(differs)
        edge.narrow(axis, 1, pairs).logical_or_(differs)
    return edge


def _bits(classes_of: Tensor, first: int) -> Tensor:
    """`(H, W)` int64: at a boundary pixel of class `first + k` bit k is set."""
    here = _edges(classes_of) & (classes_of >= first) & (classes_of < first + _BITS)
    return here.long() << (classes_of - first).clamp(0, _BITS - 1)


def _dilated(bits: Tensor, radius: float) -> Tensor:
    """Every class's boundary grown by a disc at once: bits of the pixels at most `radius` away, or-ed together.

    The disc is cut into rows; rows of equal width share one horizontal growth. A convolution with the disc gives the
    same and takes twelve times as long for eleven classes at 480x360.
    """
    reach = int(radius)
    width_of = {row: int(math.sqrt(radius**2 - row**2)) for row in range(-reach, reach + 1)}
    line, disc = bits.clone(), torch.zeros_like(bits)
    for width in range(reach + 1):
        _or_shifted(line, bits, 1, width)
        _or_shifted(line, bits, 1, -width)
        for row in (row for row, wide in width_of.items() if wide == width):
            _or_shifted(disc, line, 0, row)
    return disc


def _or_shifted(target: Tensor, source: Tensor, axis: int, by: int) -> None:
    """Ors `source`, moved `by` pixels along an axis, into `target`; what leaves the image is lost."""
    count = source.shape[axis] - abs(by)
    if count > 0:
        target.narrow(axis, max(by, 0), count).bitwise_or_(source.narrow(axis, max(-by, 0), count))
