"""Small trees in the official layouts, made in an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteImage = Callable[..., Path]


@pytest.fixture
def write_image() -> WriteImage:
    """Writes a picture of one colour, 8x6 unless said otherwise, and makes its folders."""

    def write(path: Path, size: tuple[int, int] = (8, 6), colour: object = (10, 20, 30), mode: str = "RGB") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
        return path

    return write


@pytest.fixture
def write_label() -> WriteImage:
    """Writes a label file that holds the given ids, in columns from left to right; 8x6 unless said otherwise."""

    def write(path: Path, *ids: int, size: tuple[int, int] = (8, 6), dtype: str = "uint8") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = size
        columns = np.array([ids[column * len(ids) // width] for column in range(width)], dtype)
        Image.fromarray(np.tile(columns, (height, 1))).save(path)
        return path

    return write


@pytest.fixture
def camvid(tmp_path: Path, write_image: WriteImage, write_label: WriteImage) -> Path:
    """CamVid in SegNet's layout: three training pairs and one for validation, lists with the authors' prefix."""
    root = tmp_path / "CamVid"
    for part, names in {"train": ["a", "b", "c"], "val": ["v"]}.items():
        lines = []
        for number, name in enumerate(names):
            write_image(root / part / f"{name}.png", colour=(number, 50, 100))
            write_label(root / f"{part}annot" / f"{name}.png", 0, number, 11)
            lines.append(f"/SegNet/CamVid/{part}/{name}.png /SegNet/CamVid/{part}annot/{name}.png")
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root
