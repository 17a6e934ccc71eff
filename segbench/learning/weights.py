"""Brings weights from files into networks: all of them, or those that match with a list of the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from segbench.cards.card import ModelCard
from segbench.errors import CheckpointError
from segbench.learning.checkpoint import Checkpoint, has_facts, read_checkpoint
from segbench.learning.matching import Match, load_matching
from segbench.learning.state_dicts import named_tensors
from segbench.memory_optimisations.switches import apply_optimisations
from segbench.workload.network import build_whole
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.hrnet_weights import load_official_state_dict


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a file: a checkpoint of segbench, plain safetensors, or a PyTorch `.pth`.

    Of a training state the running mean is taken where there is one. Pickled code is never run.

    Raises:
        CheckpointError: missing, damaged, or no weights in it.
    """
    return inference_weights(read_trained(path))


def read_trained(path: Path, trusted: bool = False) -> Checkpoint:
    """A checkpoint of a training, or the weights of any file of tensors, which tell nothing of their training.

    Args:
        path: of safetensors, or what `torch.save` wrote.
        trusted: run the code that a pickle holds beside its tensors.

    Raises:
        CheckpointError: missing, damaged, or no weights in it.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    if not _is_safetensors(path):
        return Checkpoint(_read_pickled(path, trusted), {})
    try:
        content = path.read_bytes()
        return read_checkpoint(path) if has_facts(content) else Checkpoint(load(content), {})
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


def _is_safetensors(path: Path) -> bool:
    """By its name, or by the JSON that begins after eight bytes of length."""
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix.lower() == ".safetensors" or (start[8:] == b"{" and not start.startswith((b"PK", b"\x80")))


def _read_pickled(path: Path, trusted: bool) -> dict[str, Tensor]:
    """The named tensors of a PyTorch file.

    Raises:
        CheckpointError: it is none, holds objects beside tensors, or tensors without names.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=not trusted)
    except Exception as error:  # a file that is none fails in every way
        objects = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds {objects[1]}, which is code" if objects else type(error).__name__
        advice = "segbench reads safetensors and PyTorch files that hold tensors only; save network.state_dict() alone"
        advice += ", or run the file's code with segbench evaluate --trust-pickle" if objects and not trusted else ""
        raise CheckpointError(f"{path} cannot be read: {reason}; {advice}") from error
    tensors = named_tensors(found)
    if not tensors:
        raise CheckpointError(f"{path} holds no named tensors, but a {type(found).__name__}; save network.state_dict()")
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


class Trained(NamedTuple):
    """A network filled from a file, on the CPU.

    Attributes:
        facts: what a checkpoint tells of its training; empty for weights alone.
        match: which tensors found their place.
    """

    network: nn.Module
    facts: Mapping[str, Any]
    match: Match


def trained_network(
    card: ModelCard,
    arguments: Mapping[str, Any],
    path: Path,
    size: tuple[int, int],
    classes: int = 11,
    partial: bool = False,
    trusted: bool = False,
) -> Trained:
    """The network of a checkpoint, built and filled.

    With the memory optimisations it was trained with that make another network of it.

    Args:
        card: of the network.
        arguments: replace those it was trained with (another solver or number of steps), which replace the card's.
        path: of a `best` or `last` of a run, or of any file of weights.
        size: (H, W) of an image, for networks that are whole only after they have seen one.
        classes: of a file that does not say.
        partial: what is missing keeps the values that it was built with.
        trusted: as for `read_trained`.

    Raises:
        CheckpointError: missing, damaged, or of another network.
    """
    checkpoint = read_trained(path, trusted)
    facts = checkpoint.facts
    network = build_whole(card, size, facts.get("classes", classes), {**facts.get("arguments", {}), **arguments})
    apply_optimisations(network, facts.get("optimisations", ()))
    return Trained(network, facts, fill(network, checkpoint, path, partial))


def fill(network: nn.Module, checkpoint: Checkpoint, path: Path, partial: bool = False) -> Match:
    """Fills the whole network from a checkpoint that was read from `path`.

    A file of weights alone may hold more than the network has, as auxiliary heads.

    Raises:
        CheckpointError: it is of another network; names the first differences.
    """
    match = load_matching(network, inference_weights(checkpoint))
    wrong = match.misfits if checkpoint.facts else match.gaps
    if wrong and not (partial and match.loaded):
        made_for = checkpoint.facts.get("model", "another network")
        few = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        if match.loaded and not (match.reshaped or match.unused):
            raise CheckpointError(
                f"checkpoint {path} was made for {made_for} and trained without {few}, which this network has; train"
                " this network"
            )
        raise CheckpointError(f"checkpoint {path} was made for {made_for} and does not fit this network: {few}")
    return match
