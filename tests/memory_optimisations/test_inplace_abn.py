from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from segbench.errors import UserError
from segbench.layers.norms import StageBatchNorm2d
from segbench.memory_optimisations.switches import apply_optimisations


def layers(norm: nn.Module | None = None, relu: nn.Module | None = None) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), norm or nn.BatchNorm2d(4), relu or nn.ReLU(), nn.Conv2d(4, 2, 1)).double()


def test_it_is_a_leaky_relu_of_a_norm_of_positive_weight() -> None:
    network = layers()
    torch.nn.init.uniform_(network[1].weight, -2, 2)
    by_hand = copy.deepcopy(network)
    by_hand[2] = nn.LeakyReLU(0.01)
    sign = network[1].weight.detach().sign()
    by_hand[1].weight.data = network[1].weight.detach().abs() + network[1].eps
    assert apply_optimisations(network, ["inplace-abn"]) == {"inplace-abn": 1}
    images = torch.randn(2, 3, 5, 7, dtype=torch.double, requires_grad=True)
    found = torch.autograd.grad(network(images).sin().sum(), [images, *network.parameters()])
    expected = list(torch.autograd.grad(by_hand(images).sin().sum(), [images, *by_hand.parameters()]))
    expected[3] *= sign  # of the norm's weight: through its absolute value
    torch.testing.assert_close(list(found), expected, rtol=1e-9, atol=1e-9)


def test_in_float32_it_is_right_up_to_rounding() -> None:
    network = layers().float()
    exact = copy.deepcopy(network).double()
    for each in (network, exact):
        apply_optimisations(each, ["inplace-abn"])
    images = torch.randn(2, 3, 32, 32)
    found = torch.autograd.grad(network(images).sin().sum(), list(network.parameters()))
    expected = torch.autograd.grad(exact(images.double()).sin().sum(), list(exact.parameters()))
    difference = torch.cat([(a - b).flatten() for a, b in zip(found, expected, strict=True)]).norm()
    assert float(difference / torch.cat([b.flatten() for b in expected]).norm()) < 1e-5


@pytest.mark.parametrize(
    "network",
    [
        layers(norm=nn.GroupNorm(2, 4)),
        layers(norm=StageBatchNorm2d(4)),
        layers(norm=nn.BatchNorm2d(4, affine=False)),
        layers(norm=nn.BatchNorm2d(4, momentum=None)),
        layers(relu=nn.ReLU6()),
    ],
)
def test_what_is_not_known_stays_as_it_is(network: nn.Sequential) -> None:
    with pytest.raises(UserError, match="finds nothing to change"):
        apply_optimisations(network, ["inplace-abn"])
