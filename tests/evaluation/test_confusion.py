"""Six pixels by hand, and the two rules for classes that do not occur."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.evaluation.confusion import Confusion, confusion_of, mean_iou

TRUTH = torch.tensor([[[0, 0, 1], [1, 1, 255]]])
GUESS = torch.tensor([[[0, 1, 1], [1, 0, 0]]])
"""Class 0: one hit, one miss, one false alarm; class 1: two hits, one miss, one false alarm; one pixel ignored."""


def test_six_pixels_give_the_matrix_counted_by_hand():
    assert confusion_of(GUESS, TRUTH, 2).counts.tolist() == [[1, 1], [1, 2]]


def test_six_pixels_give_the_scores_counted_by_hand():
    confusion = confusion_of(GUESS, TRUTH, 2)
    assert confusion.iou == pytest.approx([1 / 3, 2 / 4])
    assert confusion.miou() == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert confusion.recall == pytest.approx([1 / 2, 2 / 3])
    assert confusion.class_accuracy() == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert confusion.pixel_accuracy == pytest.approx(3 / 5)


def test_an_absent_class_is_skipped_or_counts_zero_as_told():
    confusion = confusion_of(GUESS, TRUTH, 4)
    assert np.isnan(confusion.iou[2:]).all()
    assert confusion.miou("skip") == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert confusion.miou("zero") == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert confusion.class_accuracy("zero") == pytest.approx((1 / 2 + 2 / 3) / 4)


def test_a_class_that_is_only_predicted_counts_zero_under_both_rules():
    confusion = confusion_of(torch.tensor([[[2, 0]]]), torch.tensor([[[0, 0]]]), 3)
    assert confusion.iou[2] == 0
    assert confusion.miou("skip") == pytest.approx((1 / 2 + 0) / 2)


def test_the_scores_come_from_one_matrix_and_not_from_the_mean_over_images():
    truth = torch.tensor([[[0, 0, 0, 1]], [[1, 1, 1, 1]]])
    guess = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    images = [confusion_of(one, other, 2) for one, other in zip(guess, truth, strict=True)]
    whole = Confusion.total(images, 2)
    assert whole.miou() == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert np.mean([image.miou() for image in images]) != pytest.approx(whole.miou())
    assert np.array_equal(whole.counts, confusion_of(guess, truth, 2).counts)


def test_nothing_labelled_is_nan_and_not_perfect():
    confusion = confusion_of(torch.tensor([[[0]]]), torch.tensor([[[255]]]), 2)
    assert confusion.counts.sum() == 0
    assert np.isnan(confusion.miou("skip"))
    assert np.isnan(confusion.pixel_accuracy)
    assert confusion.miou("zero") == 0


def test_bytes_are_counted_like_integers():
    assert np.array_equal(confusion_of(GUESS.byte(), TRUTH.byte(), 2).counts, confusion_of(GUESS, TRUTH, 2).counts)


def matrices(images: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50, (images, classes, classes))


def test_the_mean_iou_of_many_matrices_is_that_of_each() -> None:
    found = mean_iou(matrices(5))
    assert found == pytest.approx([Confusion(matrix).miou() for matrix in matrices(5)])


def test_absent_classes_are_skipped_and_an_empty_matrix_has_no_score() -> None:
    absent = np.array([[[8, 2, 0], [0, 10, 0], [0, 0, 0]]])
    assert mean_iou(absent) == pytest.approx([(8 / 10 + 10 / 12) / 2])
    assert np.isnan(mean_iou(np.zeros((3, 3), int)))


@settings(deadline=None, max_examples=30)  # the first example imports torchmetrics
@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_the_matrix_is_what_torchmetrics_counts(classes: int, seed: int):
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, classes + 1, (2, 5, 4), generator=generator)
    truth[truth == classes] = 255
    guess = torch.randint(0, classes, (2, 5, 4), generator=generator)
    known = torchmetrics.multiclass_confusion_matrix(guess, truth, num_classes=classes, ignore_index=255)
    assert np.array_equal(confusion_of(guess, truth, classes).counts, known.numpy())
