"""The training loss of networks that classify masks (MaskFormer, Mask2Former, OneFormer, EoMT of transformers).

Each query's mask and class are matched to the masks of the classes in the image, by the Hungarian algorithm over a cost
of both; the matched ones are trained towards these, the others towards no object (Cheng et al., arXiv 2107.06278,
section 3.2).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.cards.datasets import IGNORE

_ASSIGN = "linear_sum_assignment"
"""What every such model of transformers imports from scipy."""

MASK_LOSS = "its own loss, of masks and classes of queries that the Hungarian algorithm matches"
STAND_IN = "every class in every image, and query i matched to class i"

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def training_loss(network: Any, images: Tensor, labels: Tensor) -> Tensor:
    """The network's own loss, a mean over the batch.

    Without data (`meta`) the stand-in is: every class is in every image, and query i is matched to class i. The cost of
    a step does not depend on which queries are matched, only on how many.

    Args:
        network: with `criterion`, called with `mask_labels` and `class_labels`.
        images: `(N, C, H, W)`.
        labels: `(N, H, W)` integers, 255 where a pixel does not count.
    """
    classes = network.config.num_labels
    there = [_classes_in(item, classes) for item in labels]
    masks = [(item == found[:, None, None]).float() for item, found in zip(labels, there, strict=True)]
    with matched_in_order(network) if labels.is_meta else nullcontext():
        return network(images, mask_labels=masks, class_labels=there).loss.squeeze()  # type: ignore[no-any-return]


def _classes_in(label: Tensor, classes: int) -> Tensor:
    """In an image `(H, W)`, ascending; all of them where there is no data."""
    if label.is_meta:
        return torch.arange(classes, device=label.device)
    found: Tensor = label.unique()  # type: ignore[no-untyped-call]
    return found[found != IGNORE]


@contextmanager
def matched_in_order(network: Any) -> Iterator[None]:
    """Has the matcher take the first queries, whatever they cost."""
    module = sys.modules[type(network.criterion.matcher).__module__]
    usual = getattr(module, _ASSIGN)
    setattr(module, _ASSIGN, _in_order)
    try:
        yield
    finally:
        setattr(module, _ASSIGN, usual)


def _in_order(cost: Tensor) -> Pairs:
    """Of a cost `(queries, masks)`."""
    order = np.arange(min(cost.shape))
    return order, order
