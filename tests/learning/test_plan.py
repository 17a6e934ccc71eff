"""Plans are complete, checked, and survive a round trip."""

from __future__ import annotations

import json

import pytest

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.learning.plan import Cutting, Plan


def test_a_plan_survives_a_round_trip_through_json():
    plan = Plan(Recipe(lr=0.3, clip=5), 240, 180, minutes=2.5, cutting=Cutting(zoom=(0.5, 2)), seed=3)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_differences_are_named_with_both_values():
    mine, theirs = Plan(Recipe(lr=0.1), steps=5), Plan(Recipe(lr=0.2), steps=5, cutting=Cutting(flip=0))
    assert sorted(mine.differences(theirs)) == ["cutting.flip: 0.5, not 0", "recipe.lr: 0.1, not 0.2"]
    assert mine.differences(Plan.from_json(json.loads(json.dumps(mine.to_json())))) == []


@pytest.mark.parametrize("budget", [{}, {"epochs": 1, "minutes": 2}, {"epochs": 0}, {"minutes": -1}])
def test_exactly_one_budget_above_zero_is_needed(budget):
    with pytest.raises(UserError, match=r"--epochs|--minutes"):
        Plan(**budget)


def test_a_label_stride_must_divide_the_input():
    with pytest.raises(UserError, match="241x180"):
        Plan(steps=1, width=241, height=180, label_stride=2)
