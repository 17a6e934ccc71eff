from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.zoo.map_ode import MapODE, TimeConv, answers_at


class Decay(nn.Module):
    def forward(self, time: float, maps: Tensor) -> Tensor:
        return -maps


class Clock(nn.Module):
    """dh/dt = 2 t, so h(T) = h(0) + T^2."""

    def forward(self, time: float, maps: Tensor) -> Tensor:
        return torch.ones_like(maps) * 2 * time


def test_a_map_decays_as_the_exponential() -> None:
    block = MapODE(Decay(), solver="rk4", gradient="backprop", steps=8)
    assert torch.allclose(block(torch.ones(1, 1, 2, 2)), torch.full((1, 1, 2, 2), math.exp(-1)), atol=1e-5)


def test_answers_at_earlier_times_end_all_blocks_there() -> None:
    network = nn.Sequential(*(MapODE(Clock(), solver="midpoint", gradient="backprop", steps=4) for _ in range(2)))
    start = torch.zeros(1, 1, 1, 1)
    answers = [answer.item() for answer in answers_at(network, start, [0, 0.5, 1])]
    assert answers == pytest.approx([0, 2 * 0.25, 2 * 1.0])
    assert network(start).item() == pytest.approx(2.0)


def test_batch_norms_remember_the_last_answer_only() -> None:
    network = nn.Sequential(MapODE(Clock(), solver="euler", gradient="backprop", steps=4), nn.BatchNorm2d(1))
    images = torch.randn(2, 1, 3, 3)
    answers_at(network.train(), images, [0, 0.5, 1])
    assert network[1].num_batches_tracked == 1
    several = network[1].running_mean.clone()
    network[1].reset_running_stats()
    network(images)
    assert torch.equal(network[1].running_mean, several)


def test_a_failed_answer_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(MapODE(Clock(), solver="euler", gradient="backprop", steps=4))
    with pytest.raises(UserError, match="grid"):
        answers_at(network, torch.zeros(1, 1, 1, 1), [0.3])
    assert network[0].end == 1.0


def test_a_network_without_odes_has_no_other_times() -> None:
    with pytest.raises(UserError, match="no ODE block"):
        answers_at(nn.Sequential(nn.ReLU()), torch.zeros(1), [0.0])


def test_the_convolution_reads_the_time_from_its_last_channel() -> None:
    conv = TimeConv(2)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    conv.weight.data[:, 2, 1, 1] = torch.tensor([1.0, 3.0])
    found = conv.at(0.5, torch.rand(1, 2, 3, 3))
    assert torch.equal(found, torch.tensor([0.5, 1.5]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3))
