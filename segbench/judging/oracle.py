"""The oracle: every part ends at the first stage that is about as good on it as the last.

It reads the truth, and is a reference, not a bound: it goes by pixels, each part for itself, and allows a tolerance, so
that a policy may spend less or reach a higher mIoU. Of the paths of a lattice, which are no parts of an image, the
truth does not say what each is good for: there the oracle takes, for every image, the cheapest of the policies judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segbench.adaptive.decisions import Replayed
from segbench.adaptive.policies import by_decision
from segbench.adaptive.run import Run
from segbench.cards.datasets import IGNORE
from segbench.judging.asking import Asked, label_at

ORACLE_TOLERANCE = 0.005
"""Share of a part's labelled pixels by which an earlier stage may be worse than the last (our choice)."""


def oracle(run: Run, scores: Sequence[Tensor], label: Tensor) -> Replayed:
    """The oracle's decisions for one image.

    Args:
        run: any of this image: its unit, which is not paths, and grid are read.
        scores: `(1, classes, h, w)` of the network stopped at stage 1, 2, ..., the last.
        label: of the image, 255 ignored.

    Returns:
        A policy for this image alone.
    """
    right = torch.stack([_share_right(run, own, label_at(label, own)) for own in scores])
    first = (right >= right[-1] - ORACLE_TOLERANCE).int().argmax(0)[0]
    return Replayed("oracle", [tuple(first > stage for stage in range(len(scores) - 1))])


def cheapest_as_good(ways: Sequence[Asked], whole: Asked, label: Tensor) -> Asked:
    """The oracle of paths: the cheapest of one image's answers that is about as good as the whole network's.

    Args:
        ways: under each policy.
        whole: with everything computed.
        label: of the image, 255 ignored.
    """
    least = _right(whole, label) - ORACLE_TOLERANCE
    return min((own for own in [*ways, whole] if _right(own, label) >= least), key=lambda own: own.macs)


def _right(asked: Asked, label: Tensor) -> float:
    """Share of the labelled pixels; 0 where there are none."""
    label = label_at(label, asked.scores)
    counted = label != IGNORE
    right = (asked.scores[0].argmax(0) == label) & counted
    return float(right.sum() / counted.sum().clamp_min(1))


def _share_right(run: Run, scores: Tensor, label: Tensor) -> Tensor:
    """Of every part's labelled pixels; 0 where there are none, so that nothing is spent there."""
    counted = label != IGNORE
    right = (scores[0].argmax(0) == label) & counted
    labelled = by_decision(run, counted[None].float())
    return by_decision(run, right[None].float()) / labelled.clamp_min(torch.finfo(labelled.dtype).tiny)
