"""Decodes and resizes image and label files; what is wrong with one becomes a `BrokenFile` with path and reason."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from segbench.data.broken import BrokenFile
from segbench.data.dataset import Pixels, Sample

_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow's decoders raise on damaged files; SyntaxError is its word for a broken PNG chunk."""

_IMAGE_MODES = ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "YCbCr")
_INDEX_MODES = ("L", "P", "1", "I", "I;16", "I;16B", "I;16L", "LA", "RGB", "RGBA")
_GREY_STEPS = {"2": 85, "4": 17}
"""By how much Pillow multiplies grey of so many bits."""
_LOSSY = ("JPEG", "MPO")

Indices = NDArray[np.uint8] | NDArray[np.uint16]


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


def read_indices(path: Path) -> Indices:
    """A label file whose pixel values are ids, as `(H, W)` uint8, or uint16 where a pixel has more bits.

    The values are those stored, at every bit depth: Pillow scales grey images of 1, 2 and 4 bits to 0..255, which is
    undone here. Grey saved as three equal channels, as some programs do, is read too.

    Raises:
        BrokenFile: missing, damaged, coloured, or compressed in a way that changes values (JPEG).
    """
    try:
        with Image.open(path) as image:
            _require_lossless(path, image)
            _require_mode(path, image, _INDEX_MODES, "a label must have one channel of class ids")
            packing = _packing(image)
            return _stored(path, np.array(image), packing)
    except _DECODING_ERRORS as error:
        raise _broken(path, error) from error


def _packing(image: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words: `L;4` for grey of four bits."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return str(first or image.mode)


def _stored(path: Path, values: NDArray[Any], packing: str) -> Indices:
    """The stored numbers of a decoded label."""
    if values.ndim == 3:
        values = _single_channel(path, values, packing)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    grey = re.fullmatch(r"(?:L|1)(?:;([24])?(I)?R?)?", packing)
    if grey and grey[2]:  # TIFF's "white is zero": Pillow turns values into brightness
        values = (1 if packing[0] == "1" else 255) - values
    if grey and grey[1]:
        values = values // _GREY_STEPS[grey[1]]
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise BrokenFile(path, f"label values {values.min()} to {values.max()} are outside the allowed 0..65535")
    return values.astype(np.uint8) if values.max() <= np.iinfo(np.uint8).max else values.astype(np.uint16)


def _single_channel(path: Path, values: NDArray[Any], packing: str) -> NDArray[Any]:
    """The grey of an image of several channels; transparency does not count."""
    colours = values[..., : 1 if values.shape[2] == 2 else 3]
    if "16" in packing or (colours != colours[..., :1]).any():
        raise BrokenFile(path, "it is coloured; a label must have one channel of class ids")
    return colours[..., 0]


def read_colours(path: Path) -> Pixels:
    """A label file whose colours stand for classes, as `(H, W, 3)` uint8.

    Raises:
        BrokenFile: missing, damaged, or not coloured.
    """
    try:
        with Image.open(path) as image:
            _require_lossless(path, image)
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


def _require_lossless(path: Path, image: Image.Image) -> None:
    if image.format in _LOSSY:
        raise BrokenFile(path, "it is a JPEG, which changes values at edges; a label must be exact, as a PNG is")


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
