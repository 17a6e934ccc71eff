"""Pictures are read back and their pixels compared."""

from __future__ import annotations

import numpy as np
from PIL import Image

from segbench.data import Sample
from segbench.data.pictures import coloured, overlaid
from segbench.evaluation.confusion import Confusion
from segbench.evaluation.pictures import save_prediction, side_by_side
from segbench.evaluation.plots import plot_confusion

PALETTE = [(10, 20, 30), (200, 0, 0)]
CLASSES = np.array([[0, 1], [255, 1]], np.uint8)
GREY = np.full((2, 2, 3), 100, np.uint8)


def test_a_saved_prediction_keeps_the_classes_and_shows_the_colours(tmp_path):
    save_prediction(np.array([[0, 1]], np.uint8), PALETTE, tmp_path / "a" / "x.png")
    with Image.open(tmp_path / "a" / "x.png") as image:
        assert np.asarray(image).tolist() == [[0, 1]]
        assert np.asarray(image.convert("RGB")).tolist() == [[[10, 20, 30], [200, 0, 0]]]


def test_ignored_pixels_are_black_in_colour_and_bare_in_an_overlay():
    assert coloured(CLASSES, PALETTE)[1, 0].tolist() == [0, 0, 0]
    assert overlaid(GREY, CLASSES, PALETTE)[1, 0].tolist() == [100, 100, 100]
    assert overlaid(GREY, CLASSES, PALETTE)[0, 1].tolist() == [155, 45, 45]


def test_four_panels_stand_side_by_side_and_ignored_pixels_are_never_wrong():
    sheet = side_by_side(Sample(GREY, CLASSES, "x"), np.zeros((2, 2), np.uint8), PALETTE)
    assert sheet.width == 8
    errors = np.asarray(sheet)[-2:, -2:]
    assert errors[0, 1].tolist() == [220, 30, 30]
    assert errors[1, 0].tolist() == [114, 114, 114]


def test_the_confusion_matrix_is_drawn_also_with_an_absent_class(tmp_path):
    plot_confusion(Confusion(np.array([[3, 1], [0, 0]])), ["a", "b"], "title", tmp_path / "p" / "c.png")
    with Image.open(tmp_path / "p" / "c.png") as image:
        assert min(image.size) > 200
