from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.errors import UnknownName, UserError
from segbench.memory_optimisations.switches import SWITCHES, apply_optimisations


def _network() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 2, 1), nn.ReLU())
    )


def test_each_switch_says_how_many_places_it_changed() -> None:
    assert apply_optimisations(_network(), ["recompute"]) == {"recompute": 1}
    assert apply_optimisations(_network(), ["checkpoint"]) == {"checkpoint": 2}


def test_the_order_of_names_does_not_matter() -> None:
    network = nn.Sequential(nn.Sequential(*_network()[0], nn.Conv2d(4, 2, 1)), nn.Flatten())
    assert apply_optimisations(network, ["checkpoint", "recompute"]) == {"recompute": 1, "checkpoint": 1}
    network(torch.randn(2, 3, 4, 4)).sum().backward()


def test_no_switch_changes_nothing() -> None:
    assert apply_optimisations(_network(), []) == {}


def test_an_unknown_switch_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean checkpoint"):
        apply_optimisations(_network(), ["checkpoints"])


def test_a_switch_that_finds_nothing_says_so() -> None:
    for name in SWITCHES:
        with pytest.raises(UserError, match="finds nothing to change in Conv2d"):
            apply_optimisations(nn.Conv2d(3, 3, 1), [name])
