"""The running mean of one weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.learning.ema import Ema


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))


def test_the_decay_starts_low_so_that_the_start_is_forgotten():
    net = network()
    with torch.no_grad():
        net[0].weight.fill_(0)
    ema = Ema(net, 0.99)
    with torch.no_grad():
        net[0].weight.fill_(1)
    ema.update(net)
    assert float(ema.tensors["0.weight"]) == pytest.approx(0.9)
    ema.update(net)
    assert float(ema.tensors["0.weight"]) == pytest.approx(0.9 + 0.1 * (1 - 2 / 11))


def test_buffers_are_copied_and_not_averaged():
    net = network()
    ema = Ema(net, 0.9)
    net[1].running_mean.fill_(5)
    net[1].num_batches_tracked.fill_(3)
    ema.update(net)
    assert float(ema.tensors["1.running_mean"]) == 5
    assert int(ema.tensors["1.num_batches_tracked"]) == 3


def test_the_network_gets_its_own_weights_back_also_after_an_error():
    net = network()
    before = net[0].weight.detach().clone()
    ema = Ema(net, 0.9)
    ema.tensors["0.weight"] = before + 1
    with pytest.raises(RuntimeError), ema.applied(net):
        assert torch.equal(net[0].weight, before + 1)
        raise RuntimeError
    assert torch.equal(net[0].weight, before)
