"""What is decayed, and a memory that survives a round trip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.learning.optimizer import load_state_tensors, state_tensors, training_optimizer
from segbench.workload.muon import Muon
from segbench.workload.optimizer import build_optimizer


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 2, 1)).to(
        memory_format=torch.channels_last
    )


def test_only_matrices_are_decayed():
    optimizer = training_optimizer(network(), Recipe(optimizer="adamw", weight_decay=0.05))
    decayed, free = optimizer.param_groups
    assert decayed["weight_decay"] == 0.05 and all(p.ndim > 1 for p in decayed["params"])
    assert free["weight_decay"] == 0 and all(p.ndim == 1 for p in free["params"])


@pytest.mark.parametrize(
    ("name", "recipe", "expected"),
    [
        (None, Recipe(optimizer="sgd"), 0.9),
        (None, Recipe(optimizer="muon"), 0.95),
        (None, Recipe(optimizer="muon", momentum=0.8), 0.8),
        ("sgd", Recipe(optimizer="muon", momentum=0.8), 0.9),
        ("sgd", Recipe(optimizer="sgd", momentum=0.0), 0.0),
    ],
)
def test_momentum_is_the_recipes_or_what_the_optimizer_usually_has(name, recipe, expected):
    optimizer = build_optimizer(name, recipe, network().parameters())
    assert optimizer.param_groups[0]["momentum"] == expected


def test_a_scalar_parameters_memory_goes_where_the_parameter_is():
    parameter = nn.Parameter(torch.empty((), device="meta"))
    optimizer = Muon([parameter], lr=0.1)
    load_state_tensors(optimizer, {"0/step": torch.tensor(3.0), "0/mean": torch.tensor(0.5)})
    state = optimizer.state[parameter]
    assert (state["step"].device.type, state["mean"].device.type) == ("cpu", "meta")


def test_nothing_to_train_is_refused():
    with pytest.raises(UserError, match="no parameter"):
        training_optimizer(nn.ReLU(), Recipe())


@pytest.mark.parametrize(
    "recipe", [Recipe(optimizer="adamw", lr=0.01), Recipe(optimizer="sgd", lr=0.1), Recipe(optimizer="muon", lr=0.01)]
)
def test_an_optimizer_goes_on_bit_for_bit_after_a_round_trip(recipe):
    one, other = network(), network()
    first, second = training_optimizer(one, recipe), training_optimizer(other, recipe)
    images = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    for step in range(4):
        if step == 2:
            other.load_state_dict(one.state_dict())
            load_state_tensors(second, {name: value.clone() for name, value in state_tensors(first).items()})
        for net, optimizer in ((one, first), (other, second))[: 1 if step < 2 else 2]:
            optimizer.zero_grad()
            net(images).square().mean().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    memory = second.state[other[0].weight]
    assert all(value.stride() == other[0].weight.stride() for value in memory.values() if value.ndim)
