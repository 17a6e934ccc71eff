"""Reads a training plan out of a case: the card's recipe, changed by whatever the user said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from segbench.cards.card import Recipe
from segbench.cards.crops import crops_of
from segbench.errors import UserError
from segbench.learning.image_folder import IMAGENET
from segbench.learning.plan import PLAIN, Augmentation, TrainingPlan
from segbench.records.case import Case
from segbench.records.options import TrainOptions

_PLAN = (
    "epochs", "steps", "minutes", "accumulate", "ohem", "label_stride", "validations", "save_every_s",
    "sync_batch_norm", "workers",
)  # fmt: skip
"""Options that are fields of the plan."""
_OFF_AT_ZERO = ("ema", "clip")
"""Fields of a recipe that 0 switches off."""


def training_plan(case: Case, recipe: Recipe) -> TrainingPlan:
    """The plan of a training case; its options are named like the plan's and the recipe's fields.

    Raises:
        UserError: a value out of its range, or no single budget.
    """
    given = _set(case, _PLAN)
    recipe = changed_recipe(case, recipe)
    if not {"epochs", "steps", "minutes"} & given.keys() and recipe.epochs:
        given["epochs"] = recipe.epochs
    return TrainingPlan(
        recipe=recipe,
        width=case.width,
        height=case.height,
        precision=case.precision,
        channels_last=case.channels_last,
        augmentation=augmentation_of(case),
        seed=case.seed,
        **given,
    )


def changed_recipe(case: Case, recipe: Recipe) -> Recipe:
    """The recipe with the case's batch size, optimizer and options in place of its own.

    Raises:
        UserError: a value that the recipe does not allow.
    """
    changes = _set(case, Recipe.model_fields)
    changes |= {name: None for name in _OFF_AT_ZERO if changes.get(name) == 0}
    changes["batch_size"] = case.batch_size
    if case.optimizer not in (None, recipe.optimizer):
        changes = {"momentum": None, **changes, "optimizer": case.optimizer}  # the card's belongs to its own optimizer
    try:
        return Recipe(**{**recipe.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"the recipe's {first['loc'][0]} cannot be {first['input']!r}: {first['msg']}") from error


def augmentation_of(case: Case) -> Augmentation:
    """Augmentation: the data set's usual scale jitter unless the user gives one, or none at all."""
    asked = case.options_as(TrainOptions)
    if not asked.augment:
        return PLAIN
    if asked.task == "classify":
        return IMAGENET
    crops = crops_of(str(case.dataset))
    scale_jitter = _range(asked.scale_jitter) if asked.scale_jitter else crops.scale_jitter
    return Augmentation(scale_jitter=scale_jitter, stretch=crops.stretch)


def _set(case: Case, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options so named that say something."""
    found = {name: getattr(case.options, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _range(text: str) -> tuple[float, float]:
    """`"0.5:2"` is (0.5, 2.0).

    Raises:
        UserError: not two numbers.
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise UserError(f"scale jitter {text!r} is not a range; write LOW:HIGH, as in 0.5:2") from None
