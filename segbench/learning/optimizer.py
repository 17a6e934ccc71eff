"""The optimizer of a recipe: weight decay on matrices only."""

from __future__ import annotations

import torch
from torch import Tensor, nn, optim

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.workload.optimizer import build_optimizer


def training_optimizer(network: nn.Module, recipe: Recipe) -> optim.Optimizer:
    """SGD, AdamW or Muon; norms and biases, which have one dimension, are not decayed.

    The literal paper (AdamW with weight decay 0.05 on everything) is not reproduced here: decaying norms is what
    nobody does on purpose (specification E1 leaves it open; our choice).

    Raises:
        UserError: the network has nothing to train.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        raise UserError("the network has no parameter that can be trained")
    groups: list[dict[str, object]] = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = build_optimizer(None, recipe, [group for group in groups if group["params"]])
    assert optimizer is not None  # a recipe always names one
    return optimizer


def state_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's memory (momenta, step counts) as `INDEX/NAME` -> tensor."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}/{name}": value
        for index, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def load_state_tensors(optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Inverse of `state_tensors`; momenta take the memory layout of their parameters, so that kernels agree."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, saved in tensors.items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        optimizer.state[parameter][name] = saved if name == "step" else _laid_out_like(parameter, saved)


def _laid_out_like(parameter: Tensor, saved: Tensor) -> Tensor:
    return torch.empty_like(parameter, dtype=saved.dtype).copy_(saved)
