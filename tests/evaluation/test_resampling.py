from __future__ import annotations

import numpy as np
import pytest

from segbench.evaluation.confusion import Confusion
from segbench.evaluation.resampling import Resampling, interval, mean_iou


def matrices(images: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50, (images, classes, classes))


def test_the_mean_iou_of_many_matrices_is_that_of_each() -> None:
    found = mean_iou(matrices(5))
    assert found == pytest.approx([Confusion(matrix).miou() for matrix in matrices(5)])


def test_absent_classes_are_skipped_and_an_empty_matrix_has_no_score() -> None:
    absent = np.array([[[8, 2, 0], [0, 10, 0], [0, 0, 0]]])
    assert mean_iou(absent) == pytest.approx([(8 / 10 + 10 / 12) / 2])
    assert np.isnan(mean_iou(np.zeros((3, 3), int)))


def test_every_draw_has_as_many_images_as_the_set() -> None:
    assert (Resampling(7).weights.sum(1) == 7).all()


def test_equal_images_leave_nothing_to_be_uncertain_about() -> None:
    same = np.repeat(matrices(1), 9, axis=0)
    low, high = interval(Resampling(9).miou(same))
    assert low == pytest.approx(high) == pytest.approx(float(mean_iou(same[0])))


def test_differences_are_paired_so_what_images_share_cancels() -> None:
    resampling = Resampling(40)
    first = matrices(40)
    low, high = interval(resampling.miou(first) - resampling.miou(first * 3))
    assert low == high == 0


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        values = generator.normal(0.5, 0.1, 50)
        low, high = interval(Resampling(50).mean(values))
        hits += low <= 0.5 <= high
    assert hits >= 52


def test_an_image_without_a_value_is_left_out_of_the_mean() -> None:
    values = np.array([1.0, np.nan, 1.0, 1.0])
    found = Resampling(4).mean(values)
    assert np.nanmin(found) == np.nanmax(found) == 1.0
