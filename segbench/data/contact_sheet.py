"""A page of samples with their labels laid over them, and the colours' names: one look tells whether they fit."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from segbench.cards.datasets import DatasetCard
from segbench.data.dataset import Pixels, Sample
from segbench.data.pictures import overlaid

_THUMB = (300, 225)
"""Largest width and height of a picture."""
_ROW = 2
"""Samples beside each other, each as image and overlay."""
_GAP, _CAPTION = 8, 18
_SWATCH = 14
_LEGEND_COLUMN = 152
_TEXT = (40, 40, 40)
_LONGEST_CAPTION = 46


def contact_sheet(card: DatasetCard, samples: Sequence[Sample], title: str) -> Image.Image:
    """Image beside overlay for each sample, a legend of all classes below."""
    cell_width, cell_height = 2 * _THUMB[0] + 2 * _GAP, _THUMB[1] + _CAPTION + _GAP
    width = _ROW * cell_width + _GAP
    rows = -(-len(samples) // _ROW)
    legend_top = 2 * _GAP + _CAPTION + rows * cell_height
    per_row = (width - _GAP) // _LEGEND_COLUMN
    height = legend_top + -(-card.classes // per_row) * (_SWATCH + 6) + _GAP
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    draw.text((_GAP, _GAP), title, fill=_TEXT, font=ImageFont.load_default(14))
    for number, sample in enumerate(samples):
        left = _GAP + number % _ROW * cell_width
        top = 2 * _GAP + _CAPTION + number // _ROW * cell_height
        _draw_sample(page, draw, card, sample, left, top)
    _draw_legend(draw, card, legend_top, per_row)
    return page


def _draw_sample(
    page: Image.Image, draw: ImageDraw.ImageDraw, card: DatasetCard, sample: Sample, left: int, top: int
) -> None:
    for number, pixels in enumerate((sample.image, overlaid(sample.image, sample.label, card.palette))):
        page.paste(_thumb(pixels), (left + number * (_THUMB[0] + _GAP // 2), top + _CAPTION))
    height, width = sample.label.shape
    caption = f"{sample.name[:_LONGEST_CAPTION]}  {width}x{height}"
    draw.text((left, top), caption, fill=_TEXT, font=ImageFont.load_default(12))


def _thumb(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    scale = min(_THUMB[0] / image.width, _THUMB[1] / image.height)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _draw_legend(draw: ImageDraw.ImageDraw, card: DatasetCard, top: int, per_row: int) -> None:
    font = ImageFont.load_default(12)
    for index, (name, colour) in enumerate(zip(card.class_names, card.palette, strict=True)):
        left, row = _GAP + index % per_row * _LEGEND_COLUMN, top + index // per_row * (_SWATCH + 6)
        draw.rectangle((left, row, left + _SWATCH, row + _SWATCH), fill=colour, outline=_TEXT)
        draw.text((left + _SWATCH + 6, row), f"{index} {name}", fill=_TEXT, font=font)
