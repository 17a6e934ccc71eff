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
from segbench.learning.weights import fill, initialise, read_trained, read_weights, trained_network
from segbench.memory_optimisations.switches import apply_optimisations


def network(classes: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, classes, 1))


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
    with pytest.raises(CheckpointError, match=r"cannot be read: it holds _pytest\S+, which is code"):
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


def test_weights_alone_may_hold_more_than_the_network_has_and_less_where_that_is_asked(tmp_path):
    more = {**network().state_dict(), "auxiliary.weight": torch.ones(1)}
    assert fill(network(), Checkpoint(more, {}), tmp_path).unmatched() == [("not in the network", "auxiliary.weight")]
    less = Checkpoint({"0.weight": more["0.weight"], "1.weight": torch.ones(3, 4, 1, 1)}, {})
    with pytest.raises(CheckpointError, match=r"1\.weight \(2, 4, 1, 1\) against \(3, 4, 1, 1\)"):
        fill(network(), less, tmp_path)
    assert dict(fill(network(), less, tmp_path, partial=True).unmatched()).keys() == {
        "another shape",
        "not in the file",
    }
    with pytest.raises(CheckpointError, match="does not fit"):
        fill(network(), Checkpoint({"other": torch.ones(1)}, {}), tmp_path, partial=True)


class Holder:
    """As training scripts pickle beside weights."""


def test_code_beside_weights_is_run_only_where_the_file_is_trusted(tmp_path):
    torch.save({"meta": Holder(), "state_dict": network().state_dict()}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"Holder, which is code;.*--trust-pickle"):
        read_trained(tmp_path / "x.pth")
    assert set(read_trained(tmp_path / "x.pth", trusted=True).tensors) == set(network().state_dict())


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
    found, said, _ = trained_network(card, {"power": 3}, tmp_path / "best.safetensors", (8, 8))
    assert torch.equal(found.layer.weight, trained.layer.weight)
    assert found.power == 3 and said["classes"] == 5


class Rectified(nn.Sequential):
    def __init__(self, classes: int) -> None:
        super().__init__(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), nn.Conv2d(4, classes, 1))


def test_a_switch_that_makes_another_network_is_part_of_a_trained_one(tmp_path):
    card = ModelCard(title="rectified", builder=f"{__file__}:Rectified")
    trained = Rectified(5)
    facts = {"model": "rectified+inplace-abn", "classes": 5, "optimisations": ["inplace-abn"]}
    save_checkpoint(Checkpoint(trained.state_dict(), facts), tmp_path / "best.safetensors")
    found = trained_network(card, {}, tmp_path / "best.safetensors", (8, 8)).network
    images = torch.randn(2, 3, 8, 8)
    plain = trained.eval()(images)
    apply_optimisations(trained, ["inplace-abn"])
    assert torch.equal(found.eval()(images), trained(images)) and not torch.allclose(trained(images), plain)


class Weights(nn.Module):
    """As BiFPN has it: a parameter called `weights` and a module called `model`."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.rand(3))
        self.model = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(4, 2, 1)


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "PTH", "bin"])
def test_a_parameter_called_weights_is_one(tmp_path, suffix):
    trained, fresh = Weights(), Weights()
    path = tmp_path / f"w.{suffix}"
    save_file(trained.state_dict(), path) if suffix == "safetensors" else torch.save(trained.state_dict(), path)
    assert initialise(fresh, path) == ["5 tensors loaded"]
    assert torch.equal(fresh.weights, trained.weights) and torch.equal(fresh.model.weight, trained.model.weight)


def test_safetensors_are_known_by_their_content(tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert set(read_weights(tmp_path / "pytorch_model.bin")) == {"w"}


def test_weights_alone_can_be_evaluated_too(tmp_path):
    card = ModelCard(title="widening", builder=f"{__file__}:Widening")
    trained = Widening(5)
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "mine.pth")
    found, facts, _ = trained_network(card, {}, tmp_path / "mine.pth", (8, 8), classes=5)
    assert torch.equal(found.layer.weight, trained.layer.weight) and facts == {}


@pytest.mark.parametrize("content", [b"", b"no", b"PK\x03\x04 cut short", b"\x80\x02}q\x00", b"<html>not found</html>"])
def test_a_file_that_is_no_file_of_tensors_is_one_sentence(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pth (cannot be read|holds no named tensors)"):
        read_trained(tmp_path / "x.pth")
