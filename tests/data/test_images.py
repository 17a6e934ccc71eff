"""Label files are read as the numbers they hold, whatever their bit depth, mode and format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segbench.data import BrokenFile, open_dataset
from segbench.data.check import check_split, present_splits
from segbench.data.images import read_colours, read_indices

Write = Callable[..., Path]

GREY, PALETTE = 0, 3


def _png(values: np.ndarray, bits: int, colour_type: int) -> bytes:
    """A PNG file by its specification: Pillow writes no grey of two or four bits."""
    height, width = values.shape
    planes = (values[..., None] >> np.arange(bits)[::-1]) & 1
    rows = np.packbits(planes.reshape(height, width * bits).astype(np.uint8), axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    palette = _chunk(b"PLTE", bytes(3 * (1 << bits))) if colour_type == PALETTE else b""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + palette + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("bits", "colour_type"), [*((bits, GREY) for bits in (1, 2, 4, 8, 16)), *((bits, PALETTE) for bits in (1, 2, 4, 8))]
)
def test_a_png_of_every_bit_depth_is_read_as_its_indices(tmp_path: Path, bits: int, colour_type: int) -> None:
    values = np.arange(12).reshape(3, 4) % (1 << bits)
    path = tmp_path / "label.png"
    path.write_bytes(_png(values, bits, colour_type))
    assert read_indices(path).tolist() == values.tolist()
    assert read_indices(path).dtype == np.uint8


@given(bits=st.sampled_from([1, 2, 4]), data=st.data())
def test_any_grey_value_of_few_bits_is_kept(
    tmp_path_factory: pytest.TempPathFactory, bits: int, data: st.DataObject
) -> None:
    row = data.draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=1, max_size=20))
    path = tmp_path_factory.mktemp("labels") / "label.png"
    path.write_bytes(_png(np.array([row]), bits, GREY))
    assert read_indices(path).tolist() == [row]


def test_sixteen_bits_are_kept_whole(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 65535]])
    path = tmp_path / "label.png"
    path.write_bytes(_png(values, 16, GREY))
    assert read_indices(path).tolist() == values.tolist()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_saved_in_several_channels_is_read(tmp_path: Path, mode: str) -> None:
    Image.fromarray(np.array([[0, 3, 7]], np.uint8)).convert(mode).save(tmp_path / "label.png")
    assert read_indices(tmp_path / "label.png").tolist() == [[0, 3, 7]]


@pytest.mark.parametrize("ending", ["tif", "bmp", "webp"])
def test_other_exact_formats_are_read(tmp_path: Path, ending: str) -> None:
    Image.fromarray(np.array([[0, 3, 7]], np.uint8)).save(tmp_path / f"label.{ending}", lossless=True)
    assert read_indices(tmp_path / f"label.{ending}").tolist() == [[0, 3, 7]]


@pytest.mark.parametrize("read", [read_indices, read_colours])
def test_a_jpeg_label_is_refused(tmp_path: Path, read: Callable[[Path], np.ndarray]) -> None:
    Image.new("L" if read is read_indices else "RGB", (8, 8)).save(tmp_path / "label.png", format="jpeg")
    with pytest.raises(BrokenFile, match="it is a JPEG, which changes values at edges"):
        read(tmp_path / "label.png")


def test_ade20k_with_four_bit_labels_has_the_classes_that_were_written(tmp_path: Path, write_image: Write) -> None:
    base = tmp_path / "ADEChallengeData2016"
    write_image(base / "images/validation/a.jpg", size=(8, 1))
    label = base / "annotations/validation/a.png"
    label.parent.mkdir(parents=True)
    label.write_bytes(_png(np.array([[1, 2, 3, 4, 5, 6, 7, 8]]), 4, GREY))
    assert open_dataset("ade20k", tmp_path, "val")[0].label.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]
    (dataset,) = present_splits("ade20k", tmp_path, ["val"])
    assert check_split(dataset).class_pixels[:9] == (1, 1, 1, 1, 1, 1, 1, 1, 0)
