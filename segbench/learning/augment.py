"""Cuts, mirrors and colours a training image; which box and which colours is a function of eight numbers alone.

A box of the frame is resized straight to the input's size with PyTorch's 8-bit anti-aliased resize, and brightness,
contrast, saturation and the normalisation are one 3x3 matrix. kornia's chain takes four to five times as long and a
loop of Pillow calls twice (`benchmarks/augmentation.py`), which one core that also trains a small network would feel.
kornia pads masks with class 0; here what lies outside the frame is 255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segbench.cards.datasets import IGNORE
from segbench.data import Sample
from segbench.data.dataset import Pixels
from segbench.evaluation.inference import resize_batch, swapped
from segbench.learning.plan import Augmentation
from segbench.libraries.traits import IMAGENET_MEAN, IMAGENET_STD, Traits

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the grey that saturation 0 gives (ITU-R BT.601)."""


DRAWN = 8
"""How many random numbers decide an image."""

MIDDLE = (0.5,) * DRAWN
"""Numbers that stand for the middle of every range."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the frame in pixels; parts outside the frame become ignored pixels."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Draw:
    """What was drawn for one image.

    Attributes:
        box: the part of the frame that fills the input.
        mirrored: left and right exchanged.
        colour: `(3, 4)` float32; maps (red, green, blue, 1), 0..1, to the normalised input.
    """

    box: Box
    mirrored: bool
    colour: NDArray[np.float32]


def draw(augmentation: Augmentation, frame: tuple[int, int], size: tuple[int, int], numbers: Sequence[float]) -> Draw:
    """Draws a box, a side and colours.

    Args:
        augmentation: the ranges.
        frame: (width, height) of the image.
        size: (width, height) of the network's input.
        numbers: eight random ones, uniform in 0..1; `MIDDLE` takes the centre crop.
    """
    scale_jitter, aspect, across, down, side, light, contrast, saturation = numbers
    box = _box(augmentation, frame, size, scale_jitter, aspect, (across, down))
    factors = [
        1 + strength * (2 * drawn - 1)
        for strength, drawn in (
            (augmentation.brightness, light),
            (augmentation.contrast, contrast),
            (augmentation.saturation, saturation),
        )
    ]
    return Draw(box, side < augmentation.flip, colour_matrix(*factors))


def colour_matrix(brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0) -> NDArray[np.float32]:
    """`(3, 4)`: saturation mixes with grey, brightness scales, contrast stretches about the mean colour; normalised.

    All are linear in the colour, so one matrix does them and the normalisation. Values are not clipped to 0..1 in
    between, which is our choice: it keeps the map linear.
    """
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    mixed = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    matrix = np.column_stack([contrast * brightness * mixed, (1 - contrast) * mean - mean])
    return np.asarray(matrix / std[:, None], np.float32)


def renormalised(colour: NDArray[np.float32], traits: Traits | None) -> NDArray[np.float32]:
    """A colour matrix for a network that has another mean or deviation than ImageNet's taken out of its images."""
    if traits is None or traits.mean is None or traits.std is None:
        return colour
    mean, std = np.array(traits.mean), np.array(traits.std)
    shift = np.column_stack([np.zeros((3, 3)), np.array(IMAGENET_MEAN) - mean])
    return np.asarray((colour * np.array(IMAGENET_STD)[:, None] + shift) / std[:, None], np.float32)


def crop(
    sample: Sample,
    drawn: Draw,
    size: tuple[int, int],
    label_stride: int = 1,
    flip_pairs: Sequence[tuple[int, int]] = (),
) -> tuple[Tensor, Tensor]:
    """The image `(3, H, W)` and the label `(H/s, W/s)`, both uint8, uncoloured.

    Outside the frame the image has ImageNet's mean colour, which the normalisation makes 0, and the label is 255.

    Args:
        sample: the whole frame.
        drawn: from `draw`.
        size: (W, H).
        label_stride: s.
        flip_pairs: classes that change places when mirrored.
    """
    image = crop_image(sample.image, drawn, size)
    label = _cut_label(sample.label, drawn.box, (size[0] // label_stride, size[1] // label_stride))
    if drawn.mirrored:
        label = np.ascontiguousarray(label[:, ::-1])
        if flip_pairs:
            label = np.array(swapped(256, flip_pairs), np.uint8)[label]
    return image, torch.from_numpy(label)


def colour_jittered(images: Tensor, colours: Tensor) -> Tensor:
    """`(N, 3, H, W)` uint8 images and `(N, 3, 4)` matrices to normalised float32 images, all in one product."""
    pixels = images.flatten(2).float().div_(255)
    return torch.baddbmm(colours[..., 3:], colours[..., :3], pixels).view(images.shape)


def _box(
    augmentation: Augmentation,
    frame: tuple[int, int],
    size: tuple[int, int],
    scale_jitter: float,
    aspect: float,
    place: tuple[float, float],
) -> Box:
    """The box of four numbers drawn from 0..1; never beyond the frame unless the scale jitter itself asks for
    padding."""
    low, high = augmentation.scale_jitter
    magnification = low * (high / low) ** scale_jitter
    fit = min(frame[0] / size[0], frame[1] / size[1])
    whole = frame if augmentation.stretch else (size[0] * fit, size[1] * fit)
    tilt = math.exp(augmentation.aspect * (aspect - 0.5))
    sides = []
    for length, filled, factor in zip(frame, whole, (tilt, 1 / tilt), strict=True):
        wanted = filled / magnification
        sides.append(min(wanted * factor, max(length, wanted)))
    left, top = ((length - side) * share for length, side, share in zip(frame, sides, place, strict=True))
    return Box(left, top, *sides)


def crop_image(image: Pixels, drawn: Draw, size: tuple[int, int]) -> Tensor:
    """The image alone, as `crop` gives it."""
    part = _cut_box(image, drawn.box, size)
    return part.flip(-1) if drawn.mirrored else part


def _cut_box(image: Pixels, box: Box, size: tuple[int, int]) -> Tensor:
    """The part of the box that lies in the frame, to whole pixels, resized into its part of the output."""
    columns, across = _overlap(box.left, box.width, image.shape[1], size[0])
    rows, down = _overlap(box.top, box.height, image.shape[0], size[1])
    seen = torch.from_numpy(image[rows, columns].copy()).permute(2, 0, 1)[None]
    part = resize_batch(seen, across.stop - across.start, down.stop - down.start)[0]
    if part.shape[1:] == (size[1], size[0]):
        return part
    canvas = (torch.tensor(IMAGENET_MEAN) * 255).round().to(torch.uint8).view(3, 1, 1).repeat(1, size[1], size[0])
    canvas[:, down, across] = part
    return canvas


def _overlap(start: float, length: float, limit: int, output: int) -> tuple[slice, slice]:
    """Which pixels of the frame are seen along one axis, and which pixels of the output they fill."""
    first = min(max(round(start), 0), limit - 1)
    last = max(min(round(start + length), limit), first + 1)
    if start > -0.5 and start + length < limit + 0.5:
        return slice(first, last), slice(0, output)
    begin = min(max(round((first - start) / length * output), 0), output - 1)
    end = max(min(round((last - start) / length * output), output), begin + 1)
    return slice(first, last), slice(begin, end)


def _cut_label(label: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    """The nearest label of each output pixel's centre, 255 outside the frame."""
    columns = np.floor(box.left + (np.arange(size[0]) + 0.5) * (box.width / size[0])).astype(np.int64)
    rows = np.floor(box.top + (np.arange(size[1]) + 0.5) * (box.height / size[1])).astype(np.int64)
    height, width = label.shape
    picked: Pixels = label[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]
    picked[(rows < 0) | (rows >= height)] = IGNORE
    picked[:, (columns < 0) | (columns >= width)] = IGNORE
    return picked
