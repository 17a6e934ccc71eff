"""Labels made visible: in the data set's colours, and laid over their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segbench.cards.datasets import IGNORE, Colour
from segbench.data.dataset import Pixels

_VEIL = 0.55
"""Weight of the colours over the image: classes are told apart and the scene is still seen."""


def coloured(classes: Pixels, palette: Sequence[Colour]) -> Pixels:
    """`(H, W, 3)` uint8: classes `(H, W)` in their colours, ignored pixels black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    table[IGNORE] = 0
    return table[classes]


def overlaid(image: Pixels, classes: Pixels, palette: Sequence[Colour]) -> Pixels:
    """`(H, W, 3)` uint8: the image under a veil of the classes' colours; ignored pixels show the image."""
    mixed = (1 - _VEIL) * image + _VEIL * coloured(classes, palette)
    return np.where((classes == IGNORE)[..., None], image, mixed.round().astype(np.uint8))
