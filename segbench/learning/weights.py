"""Brings weights from files into networks: all of them, or those that match with a list of the rest."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from segbench.cards.card import ModelCard
from segbench.errors import CheckpointError
from segbench.learning.checkpoint import Checkpoint, read_checkpoint
from segbench.workload.network import build_whole
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.hrnet_weights import load_official_state_dict

_WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "weights")
"""Keys under which training scripts keep the weights in their `.pth` files."""

_PREFIXES = ("module.", "model.", "network.", "body.", "backbone.")
"""What wrappers put before every name: DataParallel, HRNet's FullModel, our classifier."""


@dataclass(frozen=True)
class Match:
    """Which weights found their place.

    Attributes:
        loaded: names of the network that were filled.
        reshaped: names that are in both with different shapes, with both shapes.
        missing: names of the network that the file lacks.
        unused: names of the file that the network lacks.
    """

    loaded: tuple[str, ...]
    reshaped: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def sentences(self) -> list[str]:
        """For people: one sentence a kind, names included."""
        kinds = {
            "have another shape and keep their own values": self.reshaped,
            "are not in the file and keep their own values": self.missing,
            "of the file have no place in the network": self.unused,
        }
        return [f"{len(self.loaded)} tensors loaded"] + [
            f"{len(names)} tensors {what}: {', '.join(names)}" for what, names in kinds.items() if names
        ]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a file: a checkpoint of segbench, plain safetensors, or a PyTorch `.pth`.

    Of a training state the running mean is taken where there is one. Pickled code is never run.

    Raises:
        CheckpointError: missing, damaged, or no weights in it.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    if path.suffix == ".safetensors":
        try:
            return inference_weights(Checkpoint(load(path.read_bytes()), {}))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        advice = "segbench reads safetensors and PyTorch files that hold tensors only"
        raise CheckpointError(f"{path} cannot be read: {type(error).__name__}; {advice}") from error
    while isinstance(found, Mapping) and (inner := next((found[key] for key in _WRAPPERS if key in found), None)):
        found = inner
    tensors = (
        {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
        if isinstance(found, Mapping)
        else {}
    )
    if not tensors:
        raise CheckpointError(f"{path} holds no named tensors")
    return tensors


def initialise(network: nn.Module, path: Path) -> list[str]:
    """Starts a network from a file of weights; sentences that say what matched and what did not.

    Files of HRNet's authors are translated where the network is our HRNetV2.

    Raises:
        CheckpointError: the file cannot be read, or nothing in it fits.
    """
    weights = read_weights(path)
    if isinstance(network, HRNetV2) and any(name.endswith("layer1.0.conv1.weight") for name in weights):
        found = load_official_state_dict(network, weights)
        return Match(found.loaded, (), found.missing, found.unused).sentences()
    match = load_matching(network, weights)
    if not match.loaded:
        few = ", ".join(match.unused[:3])
        raise CheckpointError(f"{path} has no weight that fits {type(network).__name__}; it holds {few} ...")
    return match.sentences()


def inference_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights to evaluate: the running mean of a training state, else its model, else all tensors there are."""
    return checkpoint.part("ema") or checkpoint.part("model") or dict(checkpoint.tensors)


def trained_network(
    card: ModelCard, arguments: Mapping[str, Any], path: Path, size: tuple[int, int]
) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network of a checkpoint, built and filled, on the CPU; and the checkpoint's facts.

    Args:
        card: of the network.
        arguments: replace those it was trained with (another solver or number of steps), which replace the card's.
        path: of a `best` or `last` of a run.
        size: (H, W) of an image, for networks that are whole only after they have seen one.

    Raises:
        CheckpointError: missing, damaged, or of another network.
    """
    checkpoint = read_checkpoint(path)
    facts = checkpoint.facts
    network = build_whole(card, size, facts.get("classes", 11), {**facts.get("arguments", {}), **arguments})
    fill(network, checkpoint, path)
    return network, facts


def fill(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Fills the whole network from a checkpoint that was read from `path`.

    Raises:
        CheckpointError: it is of another network; names the first differences.
    """
    match = load_matching(network, inference_weights(checkpoint))
    wrong = [*match.reshaped, *match.missing, *match.unused]
    if wrong:
        made_for = checkpoint.facts.get("model", "another network")
        few = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise CheckpointError(f"checkpoint {path} was made for {made_for} and does not fit this network: {few}")


@torch.no_grad()
def load_matching(network: nn.Module, weights: Mapping[str, Tensor]) -> Match:
    """Fills whatever has the same name and shape; wrappers' prefixes are taken off where that makes names match.

    Half-precision weights are widened. Everything else keeps its own values.
    """
    own = network.state_dict()
    renamed = {_own_name(name, own): value for name, value in weights.items()}
    both = [name for name in own if name in renamed]
    loaded = [name for name in both if own[name].shape == renamed[name].shape]
    for name in loaded:
        own[name].copy_(renamed[name])
    shapes = {name: f"{name} {tuple(own[name].shape)} against {tuple(renamed[name].shape)}" for name in both}
    return Match(
        loaded=tuple(loaded),
        reshaped=tuple(shapes[name] for name in both if name not in set(loaded)),
        missing=tuple(name for name in own if name not in renamed),
        unused=tuple(name for name in renamed if name not in own),
    )


def _own_name(name: str, own: Mapping[str, Tensor]) -> str:
    short = name
    while short not in own:
        prefix = next((prefix for prefix in _PREFIXES if short.startswith(prefix)), None)
        if prefix is None:
            return name
        short = short.removeprefix(prefix)
    return short
