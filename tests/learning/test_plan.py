"""Plans are complete, checked, and survive a round trip."""

from __future__ import annotations

import json

import pytest

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.learning.plan import Augmentation, TrainingPlan


def test_a_plan_survives_a_round_trip_through_json():
    plan = TrainingPlan(
        Recipe(lr=0.3, clip=5), 240, 180, minutes=2.5, augmentation=Augmentation(scale_jitter=(0.5, 2)), seed=3
    )
    assert TrainingPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_differences_are_named_with_both_values():
    mine, theirs = (
        TrainingPlan(Recipe(lr=0.1), steps=5),
        TrainingPlan(Recipe(lr=0.2), steps=5, augmentation=Augmentation(flip=0)),
    )
    assert sorted(mine.differences(theirs)) == ["augmentation.flip: 0.5, not 0", "recipe.lr: 0.1, not 0.2"]
    assert mine.differences(TrainingPlan.from_json(json.loads(json.dumps(mine.to_json())))) == []


@pytest.mark.parametrize("budget", [{}, {"epochs": 1, "minutes": 2}, {"epochs": 0}, {"minutes": -1}])
def test_exactly_one_budget_above_zero_is_needed(budget):
    with pytest.raises(UserError, match=r"--epochs|--minutes"):
        TrainingPlan(**budget)


def test_a_label_stride_must_divide_the_input():
    with pytest.raises(UserError, match="241x180"):
        TrainingPlan(steps=1, width=241, height=180, label_stride=2)
