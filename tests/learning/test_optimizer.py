"""What is decayed, and a memory that survives a round trip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.cards.card import Recipe
from segbench.errors import UserError
from segbench.learning.optimizer import load_state_tensors, state_tensors, training_optimizer


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
