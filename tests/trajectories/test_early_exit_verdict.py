from __future__ import annotations

import numpy as np
import pytest

from segbench.evaluation.confusion import mean_iou
from segbench.trajectories.early_exit_verdict import StaticCurve, judge_early_exit, oracle_stops

IMAGES = 40


def grid(right: np.ndarray) -> list[np.ndarray]:
    """Two-class matrices of 100 pixels a class, with so many of each right `(points, images)`."""
    found = []
    for row in right:
        matrices = np.zeros((len(row), 2, 2), int)
        matrices[:, [0, 1], [0, 1]] = row[:, None]
        matrices[:, [0, 1], [1, 0]] = 100 - row[:, None]
        found.append(matrices)
    return found


ALIKE = grid(np.array([[20] * IMAGES, [50] * IMAGES, [70] * IMAGES, [80] * IMAGES]))
"""Every image improves in the same way."""

EASY = np.arange(IMAGES) % 2 == 0
APART = grid(np.stack([np.where(EASY, 90, 10), np.where(EASY, 90, 30), np.where(EASY, 90, 60), np.where(EASY, 90, 90)]))
"""Half of the images are finished at the start."""


def curves(points: list[np.ndarray]) -> dict[str, StaticCurve]:
    curve = StaticCurve((0, 1, 2, 3), tuple(points))
    return {"shorter": curve, "coarser": curve}


def test_a_rule_that_stops_all_alike_is_a_point_of_the_static_curve() -> None:
    stops = np.full(IMAGES, 2)
    found = judge_early_exit(stops, stops.astype(float), ALIKE, curves(ALIKE))
    assert found.miou == pytest.approx(float(mean_iou(ALIKE[2].sum(0))))
    for difference in found.against.values():
        assert difference.value == pytest.approx(0) and difference.low == pytest.approx(0)
    assert not found.gains


def test_stops_by_chance_gain_nothing() -> None:
    stops = np.random.default_rng(0).integers(1, 4, IMAGES)
    found = judge_early_exit(stops, stops.astype(float), APART, curves(APART))
    assert not found.gains


def test_leaving_exactly_the_finished_images_early_beats_every_control() -> None:
    stops = np.where(EASY, 1, 3)
    found = judge_early_exit(stops, stops.astype(float), APART, curves(APART))
    assert all(difference.is_gain for difference in found.against.values())
    assert found.gains


def test_without_the_second_curve_no_gain_is_claimed() -> None:
    stops = np.where(EASY, 1, 3)
    found = judge_early_exit(stops, stops.astype(float), APART, {"shorter": curves(APART)["shorter"]})
    assert not found.gains


def test_the_oracle_takes_the_first_end_that_is_good_enough() -> None:
    assert oracle_stops(APART, 0.0).tolist() == np.where(EASY, 1, 3).tolist()
    assert set(oracle_stops(ALIKE, 0.0)) == {3}
    assert set(oracle_stops(ALIKE, 1.0)) == {1}
