from __future__ import annotations

import numpy as np
import pytest

from segbench.evaluation.confusion import Matrices
from segbench.evaluation.paired import Priced, against_curve, against_draws, difference, saving


def right(shares: list[float]) -> Matrices:
    """Images of one class and 100 pixels, so many of which are right: mIoU is the mean share over two classes."""
    return np.array([[[100 * share, 100 * (1 - share)], [0, 0]] for share in shares])


def score(share: float) -> float:
    """Mean IoU: of the class that is there, and of the one that is only predicted."""
    return share / 2 if share < 1 else 1.0


def test_a_difference_of_the_same_images_is_paired() -> None:
    found = difference(right([0.9, 0.5]), right([0.8, 0.4]))
    assert found.value == pytest.approx(0.05) == found.low == found.high, "each image gains alike"
    assert found.is_gain and not difference(right([0.9]), right([0.9])).is_gain


@pytest.mark.parametrize(
    ("cost", "rival"),
    [(1, 0.4), (2, 0.5), (3, 0.6), (4, 0.6), (5, 0.6), (9, 0.6), (0.1, 0.4)],
)
def test_a_curve_is_read_at_the_same_mean_cost(cost: float, rival: float) -> None:
    """Points (1, 40 %), (3, 60 %) and (5, 50 %): the last is dearer and worse, and so passed over."""
    curve = [Priced(right([share] * 4), np.full(4, price)) for price, share in ((3.0, 0.6), (1.0, 0.4), (5.0, 0.5))]
    found = against_curve(Priced(right([0.7] * 4), np.full(4, cost)), curve)
    assert found.value == pytest.approx(score(0.7) - score(rival))
    assert found.low == pytest.approx(found.value) == found.high


def test_random_ways_scatter_the_interval() -> None:
    found = against_draws(right([0.5] * 4), [right([0.4] * 4), right([0.6] * 4)])
    assert (found.value, found.low, found.high) == pytest.approx((0, -0.05, 0.05))


def test_a_saving_is_of_the_sum() -> None:
    found = saving(np.array([1.0, 3.0]), np.array([4.0, 4.0]))
    assert found.value == 0.5 and found.low == pytest.approx(0.25) and found.high == pytest.approx(0.75)
