"""Decodes and resizes image and label files; what is wrong with one becomes a `BrokenFile` with path and reason."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from segbench.data.broken import BrokenFile
from segbench.data.dataset import Pixels, Sample

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow's decoders raise on damaged files; SyntaxError is its word for a broken PNG chunk."""

_IMAGE_MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "YCbCr")
_INDEX_MODES = ("L", "P")


def read_image(path: Path) -> Pixels:
    """The image as `(H, W, 3)` uint8 RGB; grey, palette and CMYK files are converted, transparency is dropped.

    Pixels stay as stored: labels are drawn on them, so an EXIF orientation is not applied.

    Raises:
        BrokenFile: missing, damaged, empty, or of a kind that holds no picture (16 bit, float).
    """
    try:
        with Image.open(path) as image:
            _require_mode(path, image, _IMAGE_MODES, "an image must be 8 bit")
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except _DECODING_ERRORS as error:
        raise _broken(path, error) from error


def read_indices(path: Path) -> Pixels:
    """A label file whose pixel values are ids, as `(H, W)` uint8.

    Raises:
        BrokenFile: missing, damaged, or not of one 8-bit channel.
    """
    try:
        with Image.open(path) as image:
            _require_mode(path, image, _INDEX_MODES, "a label must have one 8-bit channel of class ids (mode L or P)")
            return np.array(image)
    except _DECODING_ERRORS as error:
        raise _broken(path, error) from error


def read_colours(path: Path) -> Pixels:
    """A label file whose colours stand for classes, as `(H, W, 3)` uint8.

    Raises:
        BrokenFile: missing, damaged, or not coloured.
    """
    try:
        with Image.open(path) as image:
            _require_mode(path, image, ("RGB", "RGBA", "P"), "a label of this layout must be coloured (mode RGB)")
            return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except _DECODING_ERRORS as error:
        raise _broken(path, error) from error


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at (width, height): the image with anti-aliased bilinear weights, the label by its nearest pixel."""
    if sample.label.shape == size[::-1]:
        return sample
    image = Image.fromarray(sample.image).resize(size, Image.Resampling.BILINEAR)
    label = Image.fromarray(sample.label).resize(size, Image.Resampling.NEAREST)
    return Sample(np.asarray(image), np.asarray(label), sample.name)


def _require_mode(path: Path, image: Image.Image, modes: tuple[str, ...], rule: str) -> None:
    if image.mode not in modes:
        raise BrokenFile(path, f"mode {image.mode}; {rule}")


def _broken(path: Path, error: Exception) -> BrokenFile:
    if isinstance(error, FileNotFoundError):
        return BrokenFile(path, "there is no such file")
    if isinstance(error, PermissionError):
        return BrokenFile(path, "it may not be read")
    if isinstance(error, UnidentifiedImageError):
        return BrokenFile(path, "it is empty" if path.stat().st_size == 0 else "it is not an image file")
    return BrokenFile(path, f"it cannot be decoded, it is damaged or truncated ({error})")
