from __future__ import annotations

import numpy as np
import pytest

from segbench.evaluation.confusion import mean_iou
from segbench.statistics.resampling import SEED, Resampling, bootstrap_error, interval


def matrices(images: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 50, (images, classes, classes))


def test_every_draw_has_as_many_images_as_the_set() -> None:
    assert (Resampling(7).weights.sum(1) == 7).all()


def test_equal_images_leave_nothing_to_be_uncertain_about() -> None:
    same = np.repeat(matrices(1), 9, axis=0)
    low, high = interval(mean_iou(Resampling(9).sums(same)))
    assert low == pytest.approx(high) == pytest.approx(float(mean_iou(same[0])))


def test_differences_are_paired_so_what_images_share_cancels() -> None:
    resampling = Resampling(40)
    first = matrices(40)
    low, high = interval(mean_iou(resampling.sums(first)) - mean_iou(resampling.sums(first * 3)))
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


def test_the_error_of_blocks_is_what_scipys_bootstrap_gives_widened_for_few() -> None:
    from scipy import stats

    values = np.random.default_rng(3).lognormal(0, 0.2, 5)

    def statistic(chosen: np.ndarray) -> float:
        return float(np.median(values[chosen]))

    known = stats.bootstrap(
        (np.arange(5),),
        statistic,
        n_resamples=500,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    assert bootstrap_error(5, statistic) == pytest.approx(known.standard_error * (5 / 4) ** 0.5, rel=1e-12)


def test_the_error_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(4).normal(10, 1, 40)
    found = bootstrap_error(40, lambda chosen: float(values[chosen].mean()))
    assert found == pytest.approx(values.std(ddof=1) / 40**0.5, rel=0.1)


def test_sums_of_a_draw_add_up_the_drawn_images() -> None:
    resampling = Resampling(3, resamples=5)
    ones = np.ones((3, 2, 2))
    assert (resampling.sums(ones) == 3).all() and resampling.sums(ones).shape == (5, 2, 2)
    assert resampling.sums(np.arange(3)) == pytest.approx(resampling.weights @ np.arange(3))
