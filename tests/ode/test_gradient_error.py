from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.ode.block import ODEBlock
from segbench.ode.gradient_error import gradient_relative_error
from segbench.ode.state import State


class _Field(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = NormReluConv(4, 4, norm="batch")

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.block(state[0]),)


class _Network(nn.Module):
    def __init__(self, **arguments: object) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entry = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.ode = ODEBlock(_Field(), **arguments)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.ode((self.entry(images),))[0]
        return output


def _error(network: nn.Module) -> float:
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return gradient_relative_error(network, lambda: network(images).sin().sum())


def test_exact_methods_have_an_error_of_rounding() -> None:
    assert _error(_Network()) == 0
    assert _error(_Network(gradient="checkpoint-stage")) < 1e-5


def test_the_continuous_adjoint_has_one_that_shows() -> None:
    assert _error(_Network(gradient="quadrature-adjoint")) > 1e-3
    assert _error(_Network(solver="dopri5", gradient="adjoint")) > 1e-6


def test_asking_leaves_the_network_as_it_was() -> None:
    network = _Network(gradient="quadrature-adjoint")
    network(torch.randn(1, 3, 8, 8))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.random.get_rng_state()
    _error(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.ode.gradient == "quadrature-adjoint"
    assert (network.ode.nfe_forward, network.ode.nfe_backward) == (4, 0)


def test_a_network_without_ode_is_refused() -> None:
    with pytest.raises(UserError, match="no ODE block"):
        _error(nn.Conv2d(3, 4, 3))
