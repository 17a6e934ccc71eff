"""What a user says replaces what the card says, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.learning.plan import PLAIN
from segbench.learning.settings import training_plan
from segbench.records.case import Case

CARD = Recipe(optimizer="adamw", lr=0.004, batch_size=8, clip=5, ema=0.998, supervision="all", epochs=40)
CASE = Case("train", "segnode", dataset="camvid", batch_size=8, width=240, height=180, seed=4)


def test_without_options_the_card_is_followed():
    plan = training_plan(CASE, CARD)
    assert plan.recipe == CARD
    assert (plan.width, plan.height, plan.seed, plan.epochs) == (240, 180, 4, 40)
    assert plan.augmentation.scale_jitter == (1.0, 2.0)


def test_options_replace_single_fields():
    case = replace(CASE, batch_size=6, optimizer="sgd").with_options(lr=0.1, minutes=3.5, accumulate=2, label_stride=2)
    plan = training_plan(case, CARD)
    assert plan.recipe == CARD.model_copy(update={"batch_size": 6, "optimizer": "sgd", "lr": 0.1})
    assert (plan.minutes, plan.epochs, plan.accumulate, plan.label_stride) == (3.5, None, 2, 2)


def test_the_cards_momentum_goes_with_its_optimizer():
    card = Recipe(optimizer="sgd", momentum=0.8)
    assert training_plan(CASE.with_options(steps=1), card).recipe.momentum == 0.8
    other = replace(CASE, optimizer="muon").with_options(steps=1)
    assert training_plan(other, card).recipe.momentum is None
    assert training_plan(other.with_options(momentum=0.7), card).recipe.momentum == 0.7
    assert training_plan(replace(CASE, optimizer="sgd").with_options(steps=1), card).recipe.momentum == 0.8


def test_zero_switches_clipping_and_the_running_mean_off():
    recipe = training_plan(CASE.with_options(clip=0, ema=0), CARD).recipe
    assert recipe.clip is None and recipe.ema is None


def test_a_value_the_recipe_does_not_allow_is_named():
    with pytest.raises(UserError, match="lr cannot be -1"):
        training_plan(CASE.with_options(lr=-1), CARD)
    with pytest.raises(UserError, match="supervision cannot be 'sometimes'"):
        training_plan(CASE.with_options(supervision="sometimes"), CARD)


@pytest.mark.parametrize(
    ("dataset", "scale_jitter", "stretch"),
    [("cityscapes", (1.0, 4.2), False), ("lip", (0.5, 1.6), True), ("pascal-context", (0.5, 2.1), False)],
)
def test_each_data_set_is_cut_as_hrnet_cuts_it(dataset, scale_jitter, stretch):
    augmentation = training_plan(replace(CASE, dataset=dataset), CARD).augmentation
    assert augmentation.scale_jitter == scale_jitter and augmentation.stretch is stretch


def test_the_zoom_can_be_given_and_augmentation_left_out():
    assert training_plan(CASE.with_options(scale_jitter="0.5:2"), CARD).augmentation.scale_jitter == (0.5, 2.0)
    assert training_plan(CASE.with_options(augment=False), CARD).augmentation == PLAIN
    with pytest.raises(UserError, match="LOW:HIGH"):
        training_plan(CASE.with_options(scale_jitter="big"), CARD)
    for text in ("nan:nan", "1:inf", "0:1", "-1:1", "2:1", "1e400:1e400"):
        with pytest.raises(UserError, match="LOW:HIGH"):
            training_plan(CASE.with_options(scale_jitter=text), CARD)


def test_without_any_budget_the_three_are_named():
    with pytest.raises(UserError, match="--epochs, --steps or --minutes"):
        training_plan(CASE, CARD.model_copy(update={"epochs": None}))
