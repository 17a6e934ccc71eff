"""Every habit of training scripts of keeping weights, each with the same two tensors in it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from segbench.learning.ema import Ema
from segbench.learning.state_dicts import load_tensors, named_tensors, tensors_of

STATE = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.ones(2)}
OLDER = {"conv.weight": torch.zeros(2, 3), "conv.bias": torch.zeros(2)}


def _module() -> nn.Module:
    module = nn.Sequential(OrderedDict(conv=nn.Linear(3, 2)))
    load_tensors(module, STATE)
    return module


@pytest.mark.parametrize(
    "saved",
    [
        STATE,
        _module(),
        {"model": _module(), "epoch": 3},
        OrderedDict(STATE),
        {**STATE, "_extra_state": {"calls": 3}, "_extra": None},
        {"state_dict": STATE, "epoch": 3, "best": torch.tensor(0.7)},
        {"model": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}},
        {"model": {"state_dict": STATE}, "args": {"lr": 0.1}},
        {"module": STATE, "lr_scheduler": {"base": torch.ones(1)}},
        {"weights": STATE},
        {"state_dict": STATE, "class_weights": torch.ones(11)},
        {"params": OLDER, "params_ema": STATE},  # BasicSR
        {"model": OLDER, "ema": {"decay": 0.99, "module": STATE}},  # timm, DeiT
        {"state_dict": OLDER, "state_dict_ema": STATE},
        list(STATE.items()),
        [STATE],
    ],
    ids=str,
)
def test_the_weights_are_found_in_whatever_a_script_saves(saved: Any):
    found = named_tensors(saved)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_tensors_called_as_wrappers_are_tensors():
    state = {"weights": torch.ones(3), "model": torch.ones(2), "network.bias": torch.ones(1)}
    assert named_tensors(state) == state


def test_modules_that_are_kept_apart_get_their_names_before_their_tensors():
    saved = {"model": STATE, "head": {"weight": torch.ones(1)}, "optimizer": {"state": {0: torch.ones(1)}}}
    assert set(named_tensors(saved)) == {"model.conv.weight", "model.conv.bias", "head.weight"}


@pytest.mark.parametrize(
    "saved", [None, 3, "weights", [], [1, 2], [torch.ones(2), torch.ones(3)], {0: torch.ones(1)}, {}]
)
def test_what_has_no_names_or_no_tensors_holds_nothing(saved: Any):
    assert named_tensors(saved) == {}


class Extra(nn.Conv2d):
    """Keeps a state that is no tensor."""

    def get_extra_state(self) -> object:
        return ["not", "a", "tensor"]

    def set_extra_state(self, state: object) -> None:
        assert state == ["not", "a", "tensor"]


def test_a_network_with_extra_state_is_kept_averaged_and_filled():
    network, other = Extra(3, 2, 1), Extra(3, 2, 1)
    assert set(tensors_of(network)) == {"weight", "bias"}
    load_tensors(other, tensors_of(network))
    assert torch.equal(other.weight, network.weight)
    ema = Ema(network, 0.9)
    ema.update(network)
    with ema.applied(network):
        assert torch.equal(network.weight, ema.tensors["weight"])
