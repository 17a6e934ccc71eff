"""Budgets in epochs, steps and minutes."""

from __future__ import annotations

import pytest

from segbench.cards.card import Recipe
from segbench.learning.clock import TrainingClock
from segbench.learning.plan import TrainingPlan


class Ticks:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_what_runs_inside_counts_towards_minutes():
    ticks = Ticks()
    clock = TrainingClock(TrainingPlan(minutes=2), 100, ticks)
    with clock.running():
        ticks.now += 30
    ticks.now += 1000
    with clock.running():
        ticks.now += 30
    assert clock.used == 60 and clock.progress(step=7) == pytest.approx(0.5)


def test_an_interrupted_budget_goes_on_from_what_was_used():
    clock = TrainingClock(TrainingPlan(minutes=1), 100, Ticks(), used=45)
    assert clock.progress(0) == pytest.approx(0.75)


def test_epochs_are_steps_rounded_up():
    clock = TrainingClock(TrainingPlan(epochs=3, recipe=Recipe(batch_size=8)), 10, Ticks())
    assert clock.steps == 4  # thirty images in batches of eight
    assert clock.progress(2) == pytest.approx(0.5)


def test_steps_are_steps():
    assert TrainingClock(TrainingPlan(steps=10), 100, Ticks()).progress(10) == 1
