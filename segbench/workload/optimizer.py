"""The optimizer of a recipe, in the form PyTorch uses by default on the network's device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, optim

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.workload.muon import Muon

_MOMENTUM = {"sgd": 0.9, "muon": 0.95}


def build_optimizer(
    name: str | None, recipe: Recipe, parameters: Iterable[Tensor] | Iterable[dict[str, object]]
) -> optim.Optimizer | None:
    """SGD, AdamW or Muon with the recipe's values; None for the name `none` (forward and backward only), and for a
    network without parameters, which can be measured all the same.

    Args:
        name: `sgd`, `adamw`, `muon`, `none`, or None for the recipe's own.
        parameters: tensors, or parameter groups.

    Raises:
        UserError: another name.
    """
    name = name or recipe.optimizer
    own = recipe.momentum if name == recipe.optimizer else None  # another optimizer's would not suit
    momentum = _MOMENTUM.get(name, 0.0) if own is None else own
    items: list[Any] = list(parameters)
    if name == "none" or not items:
        return None
    if name == "sgd":
        return optim.SGD(items, lr=recipe.lr, momentum=momentum, weight_decay=recipe.weight_decay)
    if name == "adamw":
        return optim.AdamW(items, lr=recipe.lr, weight_decay=recipe.weight_decay)
    if name == "muon":
        return Muon(items, lr=recipe.lr, momentum=momentum, weight_decay=recipe.weight_decay)
    raise UserError(f"no optimizer {name!r}; choose sgd, adamw, muon or none")
