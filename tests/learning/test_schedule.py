"""Learning rates at moments that can be worked out by hand."""

from __future__ import annotations

import pytest

from segbench.cards.card import Recipe
from segbench.learning.schedule import rate


def test_poly_falls_from_the_base_rate_to_zero():
    recipe = Recipe(lr=0.1, power=0.9)
    assert rate(recipe, 0, 0.0) == pytest.approx(0.1)
    assert rate(recipe, 50, 0.5) == pytest.approx(0.1 * 0.5**0.9)
    assert rate(recipe, 100, 1.0) == 0
    assert rate(recipe, 101, 1.01) == 0


def test_the_warm_up_rises_linearly_and_then_leaves_the_schedule_alone():
    recipe = Recipe(lr=0.1, schedule="constant", warmup_steps=4)
    assert [rate(recipe, step, 0.0) for step in range(6)] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1])


def test_a_constant_schedule_ignores_progress():
    assert rate(Recipe(lr=0.3, schedule="constant"), 7, 0.9) == pytest.approx(0.3)
