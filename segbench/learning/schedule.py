"""The learning rate over a run."""

from __future__ import annotations

from segbench.cards.card import Recipe


def rate(recipe: Recipe, step: int, progress: float) -> float:
    """The learning rate of a step.

    Args:
        recipe: `poly` falls to zero as lr * (1 - progress)^power, HRNet's and the paper's schedule, taken every step;
            `constant` stays. The first `warmup_steps` steps rise linearly from nothing.
        step: counted from 0.
        progress: share of the budget that is used, 0..1.
    """
    warm = min(1.0, (step + 1) / (recipe.warmup_steps + 1))
    fall = max(0.0, 1.0 - progress) ** recipe.power if recipe.schedule == "poly" else 1.0
    return recipe.lr * warm * fall
