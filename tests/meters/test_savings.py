from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segbench.memory_optimisations.switches import apply_optimisations
from segbench.meters.savings import extra_macs, savings_error
from segbench.zoo.map_ode import MapODE


def loss_of(network: nn.Module) -> Callable[[], Tensor]:
    images = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return lambda: network(images).sin().sum()


def two(switch: str = "") -> nn.Module:
    """A body of two convolutions, then a classifier: 2 * 576 and 64 multiplications a pixel."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(4, 16, 3, padding=1, bias=False), nn.Sigmoid(), nn.Conv2d(16, 4, 3, padding=1))
    network = nn.Sequential(nn.ModuleDict({"body": body})["body"], nn.Conv2d(4, 16, 1, bias=False))
    apply_optimisations(network, filter(None, [switch]))
    return network


def test_what_is_run_again_is_counted_by_hand() -> None:
    """Whose output nobody reads in the backward pass, the last layer of a checkpoint, torch does not run again."""

    def extra(switch: str) -> float:
        network = two(switch)
        return extra_macs(network, loss_of(network))

    assert extra("") == extra("bf16") == 0
    assert extra("checkpoint:0") == pytest.approx(576 / (1152 + 64))


def test_products_of_gradients_are_no_extra() -> None:
    """A linear layer's gradient is made of matrix products, as its forward pass is."""
    network = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(256, 8), nn.Tanh(), nn.Linear(8, 8)))
    assert extra_macs(network, loss_of(network)) == 0
    apply_optimisations(network, ["checkpoint:1"])
    assert extra_macs(network, loss_of(network)) == pytest.approx(256 * 8 / (256 * 8 + 8 * 8))


def test_an_exact_switch_has_no_error_and_another_one_some() -> None:
    exact, rounded = two("checkpoint:0"), two("bf16")
    assert savings_error(exact, loss_of(exact)) == 0
    assert 1e-5 < savings_error(rounded, loss_of(rounded)) < 1e-2


class _Slope(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, time: float | Tensor, maps: Tensor) -> Tensor:
        return torch.tanh(self.layer(maps))


def test_an_ode_s_way_to_its_gradient_is_compared_with_back_propagation() -> None:
    torch.manual_seed(0)
    exact, adjoint = (
        MapODE(_Slope(), solver="euler", gradient=name, steps=4) for name in ("checkpoint-step", "adjoint")
    )
    assert savings_error(exact, loss_of(exact)) < 1e-6 and extra_macs(exact, loss_of(exact)) == 1
    assert savings_error(adjoint, loss_of(adjoint)) > 1e-3
