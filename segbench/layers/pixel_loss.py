"""Cross-entropy over the labelled pixels, as a sum and a weight, so that any split of a batch gives the same mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from segbench.cards.datasets import IGNORE

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
