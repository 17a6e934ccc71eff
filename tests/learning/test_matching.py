"""Names of a file beside names of a network, in every habit of wrappers and trainers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.learning.matching import load_matching


def network(classes: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, classes, 1))


def test_all_weights_of_the_same_network_match():
    one, other = network(), network()
    match = load_matching(other, one.state_dict())
    assert len(match.loaded) == 4 and not (match.reshaped or match.missing or match.unused)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_what_does_not_match_is_listed_and_left_alone():
    pretrained, net = network(classes=5), network(classes=2)
    kept = net[1].weight.detach().clone()
    weights = {**pretrained.state_dict(), "head.weight": torch.zeros(1)}
    del weights["0.bias"]
    match = load_matching(net, weights)
    assert match.loaded == ("0.weight",)
    assert [item.split()[0] for item in match.reshaped] == ["1.weight", "1.bias"]
    assert "(2, 4, 1, 1) against (5, 4, 1, 1)" in match.reshaped[0]
    assert match.missing == ("0.bias",) and match.unused == ("head.weight",)
    assert torch.equal(net[1].weight, kept)
    assert any("head.weight" in sentence for sentence in match.sentences())


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_what_wrappers_put_before_the_names_is_taken_off(prefix):
    weights = {prefix + name: value for name, value in network().state_dict().items()}
    assert len(load_matching(network(), weights).loaded) == 4


def test_half_precision_weights_are_widened():
    one, other = network(), network()
    load_matching(other, {name: value.half() for name, value in one.state_dict().items()})
    assert other[0].weight.dtype == torch.float32
    assert torch.allclose(one[0].weight, other[0].weight, atol=1e-3)


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1))
        self.head = nn.Conv2d(4, 2, 1)


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ("_orig_mod.backbone.0.weight", "backbone.0.weight"),
        ("_orig_mod.module.backbone.0.weight", "backbone.0.weight"),
        ("module._orig_mod.backbone.0.weight", "backbone.0.weight"),
        ("backbone._orig_mod.0.weight", "backbone.0.weight"),
        ("backbone.module.0.weight", "backbone.0.weight"),
        ("_fsdp_wrapped_module.backbone.0._checkpoint_wrapped_module.weight", "backbone.0.weight"),
        ("student.backbone.0.weight", "backbone.0.weight"),
        ("net.head.weight", "head.weight"),
        ("state_dict.module.head.weight", "head.weight"),
    ],
)
def test_what_compilers_trainers_and_wrappers_put_into_names_is_taken_out(given, own):
    net = Backbone()
    weight = torch.rand_like(net.state_dict()[own])
    match = load_matching(net, {given: weight, "else.bias": torch.zeros(1)})
    assert match.loaded == (own,) and match.unused == ("else.bias",)
    assert torch.equal(net.state_dict()[own], weight)


def test_a_first_part_that_all_names_share_is_taken_off_or_put_on():
    bare = network()
    wrapped = nn.ModuleDict({"segmenter": network()})
    assert len(load_matching(bare, wrapped.state_dict()).loaded) == 4
    assert len(load_matching(wrapped, bare.state_dict()).loaded) == 4


def test_a_compiled_network_takes_plain_weights_and_its_own():
    compiled = torch.compile(network(), backend="eager")
    plain = network()
    assert not load_matching(compiled, plain.state_dict()).misfits
    assert not load_matching(plain, compiled.state_dict()).misfits


def test_a_name_of_the_network_goes_before_one_that_resembles_it():
    net = nn.ModuleDict({"model": nn.Conv2d(1, 1, 1, bias=False)})
    weights = {"model.weight": torch.full((1, 1, 1, 1), 2.0), "module.model.weight": torch.zeros(1, 1, 1, 1)}
    load_matching(net, weights)
    assert net["model"].weight.item() == 2.0


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.other.weight = self.one.weight


def test_a_tensor_with_two_names_is_filled_by_either():
    """`safetensors.torch.save_model` keeps only one of them."""
    for name in ("one.weight", "other.weight"):
        net = Tied()
        assert not load_matching(net, {name: torch.ones(2, 2)}).misfits
        assert torch.equal(net.one.weight, torch.ones(2, 2)) and net.other.weight is net.one.weight


class Extra(nn.Module):
    """Keeps a state that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.extra = "own"

    def get_extra_state(self) -> object:
        return {"calls": self.extra}

    def set_extra_state(self, state: object) -> None:
        assert isinstance(state, dict)
        self.extra = state["calls"]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images)


def test_extra_state_that_is_no_tensor_is_left_alone():
    net = Extra()
    assert not load_matching(net, {"layer.weight": torch.ones(2, 3, 1, 1), "layer.bias": torch.ones(2)}).misfits
    assert net.extra == "own"


def test_files_without_the_counts_of_batch_norms_fill_a_network():
    net = nn.BatchNorm2d(2)
    state = {name: value for name, value in net.state_dict().items() if name != "num_batches_tracked"}
    match = load_matching(net, state)
    assert match.missing == ("num_batches_tracked",) and not match.misfits
