"""Outlines that are right, shifted within the tolerance, and shifted too far; checked against a distance transform."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from segbench.evaluation.boundary import boundary_counts


def halves(edge: int, height: int = 20, width: int = 20) -> torch.Tensor:
    """Class 0 left of the edge, class 1 from it on."""
    return (torch.arange(width) >= edge).long().expand(height, width)


def tolerance_of(pixels: float, height: int = 20, width: int = 20) -> float:
    return pixels / math.hypot(height, width)


def test_the_same_outline_scores_one():
    score = boundary_counts(halves(10), halves(10), 2)
    assert score.f_score.tolist() == [1, 1]
    assert score.counts[1].tolist() == [20, 20]


def test_an_outline_within_the_tolerance_scores_one_and_beyond_it_zero():
    assert boundary_counts(halves(12), halves(10), 2, tolerance_of(2)).mean_f_score == 1
    assert boundary_counts(halves(13), halves(10), 2, tolerance_of(2)).mean_f_score == 0


def test_half_an_outline_gives_half_the_recall():
    guess = halves(10).clone()
    guess[10:] = 1
    found = boundary_counts(guess, halves(10), 2, tolerance_of(0.5))
    near, true = found.counts[2:, 0]
    assert near / true == pytest.approx(0.5)


def test_outlines_with_ignored_pixels_do_not_count():
    label = halves(10).clone()
    label[:, 10:] = 255
    found = boundary_counts(halves(10), label, 2)
    assert found.counts.sum() == 0
    assert math.isnan(found.mean_f_score)


def test_a_class_without_any_outline_is_left_out_of_the_mean():
    found = boundary_counts(halves(10), halves(10), 5)
    assert np.isnan(found.f_score[2:]).all()
    assert found.mean_f_score == 1


@pytest.mark.parametrize("classes", [3, 80])
def test_the_counts_are_those_of_a_distance_transform(classes):
    generator = torch.Generator().manual_seed(classes)
    guess = torch.randint(0, classes, (12, 16), generator=generator).repeat_interleave(5, 0).repeat_interleave(5, 1)
    label = torch.roll(guess, (1, 2), (0, 1))
    label[10:25, 20:50] = 255
    radius = 3.2
    found = boundary_counts(guess, label, classes, radius / math.hypot(*label.shape)).counts
    masked = guess.masked_fill(label == 255, 255)
    for index in range(classes):
        mine, true = outline(masked, index), outline(label, index)
        assert found[:, index].tolist() == [
            within(mine, true, radius),
            mine.sum(),
            within(true, mine, radius),
            true.sum(),
        ]


def outline(classes_of: torch.Tensor, index: int) -> np.ndarray:
    array = classes_of.numpy()
    found = np.zeros(array.shape, bool)
    for row, column in np.argwhere(array == index):
        for other in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= other[0] < array.shape[0] and 0 <= other[1] < array.shape[1]
            if inside and array[other] not in (index, 255):
                found[row, column] = True
    return found


def within(mask: np.ndarray, other: np.ndarray, radius: float) -> int:
    return int((mask & (distance_transform_edt(~other) <= radius)).sum()) if other.any() else 0
