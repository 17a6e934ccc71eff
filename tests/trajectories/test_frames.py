from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.data import Sample
from segbench.errors import UserError
from segbench.trajectories.frames import Album, draw_strip, embedded_frames, spread_out
from segbench.trajectories.subject import End
from segbench.trajectories.sweep import Sweep

PALETTE = ((255, 0, 0), (0, 0, 255))
ENDS = (End(0.0, 0), End(1.0, 4))


def sweep_and_album(width: int = 480, height: int = 360) -> tuple[Sweep, Album]:
    label = np.ones((height, width), np.uint8)
    label[0] = 255
    sample = Sample(np.full((height, width, 3), 90, np.uint8), label, "val-00003")
    album = Album(frozenset({3}))
    album(2, sample, np.zeros((2, height, width), np.uint8))
    album(3, sample, np.stack([np.zeros_like(label), np.ones_like(label)]))
    matrices = np.zeros((2, 4, 2, 2), np.int32)
    matrices[0, :, 1, 0] = matrices[1, :, 1, 1] = 10
    return Sweep(ENDS, ENDS[1], ("a", "b", "c", "val-00003"), matrices, np.zeros((2, 4))), album


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_images_are_taken_from_the_middle_of_equal_parts() -> None:
    assert spread_out(3, 9) == {1, 4, 7}
    assert spread_out(5, 2) == {0, 1}
    assert spread_out(0, 9) == frozenset()


def test_frames_carry_small_indexed_pictures_and_each_images_own_score() -> None:
    sweep, album = sweep_and_album()
    found = embedded_frames(sweep, album.pictures, PALETTE, "synthetic")
    frame = found[ENDS[1]]["frames"]["synthetic/val-00003"]
    assert frame["miou"] == 1.0
    labels = decoded(frame["labels"])
    assert (labels.size, labels.mode) == ((240, 180), "P")
    assert labels.convert("RGB").getpixel((5, 90)) == PALETTE[1]
    assert "pictures" not in found[ENDS[1]]


def test_the_first_end_also_has_photo_and_truth_with_ignored_pixels_black() -> None:
    sweep, album = sweep_and_album(240, 180)
    picture = embedded_frames(sweep, album.pictures, PALETTE, "synthetic")[ENDS[0]]["pictures"]["synthetic/val-00003"]
    assert decoded(picture["photo"]).size == (240, 180)
    truth = decoded(picture["truth"]).convert("RGB")
    assert (truth.getpixel((0, 0)), truth.getpixel((0, 9))) == ((0, 0, 0), PALETTE[1])


def test_an_image_without_labels_has_no_score() -> None:
    sweep, album = sweep_and_album()
    sweep.matrices[:] = 0
    frames = embedded_frames(sweep, album.pictures, PALETTE, "synthetic")
    assert frames[ENDS[0]]["frames"]["synthetic/val-00003"]["miou"] is None


def test_the_strip_is_a_row_an_image(tmp_path: Path) -> None:
    sweep, album = sweep_and_album(48, 36)
    draw_strip(sweep, album.pictures, PALETTE, tmp_path / "new" / "strip.png")
    with Image.open(tmp_path / "new" / "strip.png") as strip:
        assert strip.width > strip.height > 100
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another place with -o"):
        draw_strip(sweep, album.pictures, PALETTE, tmp_path / "file" / "strip.png")
