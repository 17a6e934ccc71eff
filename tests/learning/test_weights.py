"""Weights from many kinds of files, and a list of those that found no place."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from segbench.cards.card import ModelCard
from segbench.errors import CheckpointError
from segbench.learning.checkpoint import Checkpoint, save_checkpoint
from segbench.learning.weights import fill, load_matching, read_weights, trained_network


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


def test_pytorch_files_with_and_without_a_wrapper_are_read(tmp_path):
    weights = network().state_dict()
    torch.save(weights, tmp_path / "bare.pth")
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "wrapped.pth")
    assert set(read_weights(tmp_path / "bare.pth")) == set(weights)
    assert set(read_weights(tmp_path / "wrapped.pth")) == set(weights)


def test_the_running_mean_of_a_training_state_is_preferred(tmp_path):
    tensors = {"model/w": torch.zeros(1), "ema/w": torch.ones(1), "optimizer/0/m": torch.ones(1)}
    save_checkpoint(Checkpoint(tensors, {}), tmp_path / "last.safetensors")
    assert read_weights(tmp_path / "last.safetensors") == {"w": torch.ones(1)}


def test_plain_safetensors_are_read(tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "x.safetensors")
    assert set(read_weights(tmp_path / "x.safetensors")) == {"w"}


def test_pickled_code_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("code of a weights file was run",)

    with (tmp_path / "evil.pth").open("wb") as file:
        pickle.dump({"w": Evil()}, file, protocol=2)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / "evil.pth")


def test_files_without_weights_are_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="no named tensors"):
        read_weights(tmp_path / "list.pth")
    (tmp_path / "bad.safetensors").write_text("no")
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(tmp_path / "bad.safetensors")
    with pytest.raises(CheckpointError, match="no file"):
        read_weights(tmp_path / "missing.pth")


def test_a_trained_network_must_fit_entirely(tmp_path):
    checkpoint = Checkpoint(network(classes=2).state_dict(), {"model": "two"})
    fill(network(classes=2), checkpoint, tmp_path)
    with pytest.raises(CheckpointError, match=r"made for two and does not fit.*1\.weight"):
        fill(network(classes=3), checkpoint, tmp_path)


class Widening(nn.Module):
    def __init__(self, classes: int, width: int = 4, power: int = 1) -> None:
        super().__init__()
        self.power = power
        self.layer = nn.Conv2d(width, classes, 1)


def test_a_trained_network_is_built_with_the_arguments_it_was_trained_with(tmp_path):
    card = ModelCard(title="widening", builder=f"{__file__}:Widening")
    trained = Widening(5, width=6, power=2)
    facts = {"model": "widening", "classes": 5, "arguments": {"width": 6, "power": 2}}
    save_checkpoint(Checkpoint(trained.state_dict(), facts), tmp_path / "best.safetensors")
    found, said = trained_network(card, {"power": 3}, tmp_path / "best.safetensors", (8, 8))
    assert torch.equal(found.layer.weight, trained.layer.weight)
    assert found.power == 3 and said["classes"] == 5
