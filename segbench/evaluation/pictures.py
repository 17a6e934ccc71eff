"""Predictions as PNGs: in the data set's colours, laid over the image, and side by side with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from segbench.cards.datasets import IGNORE, Colour
from segbench.data.dataset import Pixels, Sample
from segbench.data.pictures import overlaid

_WRONG = (220, 30, 30)
"""The colour of wrong pixels."""

_CAPTION = 14
"""Pixels of the line of text above each panel."""


def save_prediction(prediction: Pixels, palette: Sequence[Colour], path: Path) -> None:
    """An indexed PNG: its values are the classes, its palette shows them in the data set's colours.

    Args:
        prediction: `(H, W)` uint8 classes.
        palette: the colour of each class.
        path: of the PNG.
    """
    image = Image.fromarray(prediction)
    image.putpalette([channel for colour in palette for channel in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, optimize=True)


def side_by_side(sample: Sample, prediction: Pixels, palette: Sequence[Colour]) -> Image.Image:
    """Image, truth, prediction, and the wrong pixels in red, from left to right."""
    wrong = (prediction != sample.label) & (sample.label != IGNORE)
    errors = np.where(wrong[..., None], np.array(_WRONG), sample.image // 2 + 64)
    panels = {
        "image": sample.image,
        "truth": overlaid(sample.image, sample.label, palette),
        "prediction": overlaid(sample.image, prediction, palette),
        f"wrong: {wrong.mean():.1%}": errors.astype(np.uint8),
    }
    height, width = sample.label.shape
    sheet = Image.new("RGB", (width * len(panels), height + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (caption, panel) in enumerate(panels.items()):
        sheet.paste(Image.fromarray(panel), (number * width, _CAPTION))
        draw.text((number * width + 4, 1), caption, fill="black")
    return sheet
