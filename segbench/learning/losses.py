"""Cross-entropy over the labelled pixels, as a sum and a weight, so that any split of a batch gives the same mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segbench.cards.datasets import IGNORE
from segbench.data.dataset import Pixels

OHEM_THRESHOLD = 0.9
"""Pixels whose true class has less than this probability are hard (HRNet's configurations)."""

OHEM_KEPT = 1 / 12
"""At least this share is kept: HRNet's 131072 of the 3 x 512 x 1024 pixels a GPU sees (B3; as a share: ours)."""


@dataclass(frozen=True)
class PixelLoss:
    """Cross-entropy of class maps.

    The mean of a batch is `total` over all its parts, divided by `weight` over all its parts: parts may live in
    several processes or come one after the other. The mean of means would weigh parts with many ignored pixels more.

    Attributes:
        class_weights: `(C,)` float32, None for equal weights.
        ohem: only the hardest labelled pixels count; their mean is taken part by part, so there splitting matters.
    """

    class_weights: Tensor | None = None
    ohem: bool = False

    def total(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The sum over labelled pixels of weight times cross-entropy.

        Args:
            logits: `(N, C, H, W)`.
            labels: `(N, H, W)` integers, 255 where a pixel does not count.
        """
        _keep_layout(logits)
        if self.ohem:
            return self._hardest(logits.float(), labels.long())
        return functional.cross_entropy(
            logits.float(), labels.long(), weight=self.class_weights, ignore_index=IGNORE, reduction="sum"
        )

    def weight(self, labels: Tensor) -> Tensor:
        """The sum over labelled pixels of their class weights, a float32 scalar."""
        valid = labels[labels != IGNORE].long()
        if self.class_weights is None:
            return torch.tensor(float(valid.numel()), device=labels.device)
        counts = torch.bincount(valid, minlength=self.class_weights.numel())
        return (counts * self.class_weights).sum()

    def _hardest(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over the hard pixels, times the weight of all, so that dividing by that leaves the mean."""
        valid = labels != IGNORE
        losses = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")[valid]
        if not losses.numel():
            return logits.sum() * 0.0
        kept = max(1, int(OHEM_KEPT * losses.numel()))
        bound = min(float(losses.detach().topk(kept).values[-1]), -math.log(OHEM_THRESHOLD))
        hard = losses.detach() >= bound
        labels = labels[valid]
        weights = losses.new_ones(()).expand(labels.shape) if self.class_weights is None else self.class_weights[labels]
        return (losses * weights)[hard].sum() / weights[hard].sum() * weights.sum()


def _keep_layout(maps: Tensor) -> None:
    """Has the gradient of channels_last maps arrive in their layout.

    Cross-entropy's is contiguous. On a CPU the backward pass of the resizing before it takes three times as long on
    that (4.3 against 1.3 ms for 8 x 11 maps of 90x120), and so do those of all layers down to the next convolution.
    """
    if maps.requires_grad and maps.is_contiguous(memory_format=torch.channels_last):
        maps.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient.contiguous(memory_format=torch.channels_last)
        )


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
