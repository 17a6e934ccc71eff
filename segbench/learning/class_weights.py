"""Weights of classes by how often they occur."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segbench.data.dataset import Pixels


def median_frequency_weights(
    labels: Iterable[Pixels], classes: int, kind: Literal["median-frequency", "sqrt-median-frequency"]
) -> NDArray[np.float32]:
    """Median frequency over each class's frequency, so that rare classes weigh more `(C,)`.

    A class's frequency is its share of all pixels, ignored ones too, of the images it occurs in (Eigen and Fergus,
    ICCV 2015, as used by SegNet). A class that never occurs weighs 1. `sqrt-median-frequency` takes the root: milder.
    """
    pixels, available = np.zeros(classes), np.zeros(classes)
    for label in labels:
        counts = np.bincount(label.ravel(), minlength=256)[:classes]
        pixels += counts
        available += np.where(counts > 0, label.size, 0)
    there = pixels > 0
    frequency = np.divide(pixels, available, out=np.ones(classes), where=there)
    weights = np.where(there, np.median(frequency[there]) / frequency if there.any() else 1.0, 1.0)
    return (np.sqrt(weights) if kind == "sqrt-median-frequency" else weights).astype(np.float32)
