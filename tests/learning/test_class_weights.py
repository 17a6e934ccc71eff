"""How often classes occur, by hand and in the real CamVid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from segbench.learning.class_weights import median_frequency_weights


def test_median_frequency_weights_by_hand():
    """Class 0: 6 of 12 pixels of the images it is in; class 1: 1 of 4; class 2: 1 of 8; class 3: never."""
    labels = [np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 0, 2], [255, 255, 255, 255]], np.uint8)]
    weights = median_frequency_weights(labels, 4, "median-frequency")
    assert weights == pytest.approx([1 / 2, 1, 2, 1])
    roots = median_frequency_weights(labels, 4, "sqrt-median-frequency")
    assert roots == pytest.approx([math.sqrt(1 / 2), 1, math.sqrt(2), 1])


def test_median_frequency_weights_of_the_real_camvid(real_data):
    """The values the notes computed independently on the same labels."""
    if not (real_data / "camvid" / "trainannot").is_dir():
        pytest.skip("SEGBENCH_DATA has no camvid/")
    from segbench.data import open_dataset

    dataset = open_dataset("camvid", root=real_data / "camvid", split="train")
    labels = (dataset[index].label for index in range(len(dataset)))
    expected = [0.279, 0.202, 4.787, 0.149, 1.000, 0.422, 3.847, 1.974, 0.789, 6.375, 8.859]
    assert median_frequency_weights(labels, 11, "median-frequency") == pytest.approx(expected, abs=0.0006)
