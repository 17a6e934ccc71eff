"""The oracle: every part ends at the first stage that is as good on it as the last. A bound, for it reads the truth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segbench.adaptive.decisions import Replayed
from segbench.adaptive.policies import pooled
from segbench.adaptive.run import Run
from segbench.cards.datasets import IGNORE

TOLERANCE = 0.005
"""Share of a part's labelled pixels by which an earlier stage may be worse than the last (our choice)."""


def oracle(run: Run, scores: Sequence[Tensor], label: Tensor) -> Replayed | None:
    """The oracle's decisions for one image.

    Args:
        run: any of this image: its unit and grid are read.
        scores: `(1, classes, h, w)` of the network stopped at stage 1, 2, ..., the last.
        label: `(h, w)`, 255 ignored.

    Returns:
        A policy for this image alone; None for paths, of which the truth does not say what each is good for.
    """
    if run.unit == "path":
        return None
    counted = label != IGNORE
    labelled = pooled(run, counted[None].float())
    right = [pooled(run, ((found[0].argmax(0) == label) & counted)[None].float()) for found in scores]
    good = torch.stack([own >= right[-1] - TOLERANCE * labelled for own in right])
    first = good.int().argmax(0)[0]
    return Replayed("oracle", [tuple(first > stage for stage in range(len(scores) - 1))])
