"""Expected calibration error: how far a stage's confidence is from its share of right pixels.

Confidence is cut into 15 bins of equal width; the error is the mean over bins of |accuracy - confidence|, weighted by
the pixels in them (Guo et al. 2017, equation 3).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.cards.datasets import IGNORE

BINS = 15


@dataclass
class Reliability:
    """Counts of one stage.

    Attributes:
        sums: `(BINS, 3)`: pixels, sum of their confidence, how many are right.
    """

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((BINS, 3)))

    def add(self, scores: Tensor, label: Tensor) -> None:
        """Counts an image's pixels.

        Args:
            scores: `(1, classes, h, w)`.
            label: `(h, w)`, 255 ignored.
        """
        confidence, classes = scores[0].double().softmax(0).max(0)
        counted = label != IGNORE
        confidence, right = confidence[counted], (classes == label)[counted].double()
        bins = (confidence * BINS).long().clamp(max=BINS - 1)
        for column, values in enumerate((torch.ones_like(confidence), confidence, right)):
            sums = torch.zeros(BINS, dtype=torch.float64, device=scores.device).index_add_(0, bins, values)
            self.sums[:, column] += sums.cpu().numpy()

    @property
    def error(self) -> float:
        """0..1; nan where no pixel was counted."""
        pixels, confidence, right = self.sums.T
        return float(np.abs(right - confidence).sum() / pixels.sum()) if pixels.sum() else float("nan")
