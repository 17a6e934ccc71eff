"""Which tensor of a file belongs to which of a network, whatever wrappers put before or into their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segbench.learning.state_dicts import tensors_of

_PREFIXES = ("module", "model", "network", "net", "body", "backbone", "student", "segmentor", "state_dict")
"""What wrappers put before every name: DataParallel, HRNet's FullModel, our classifier, trainers, nested files."""

_INSERTED = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""Parts that wrappers of single modules put anywhere into a name: DDP, `torch.compile`, FSDP, checkpointing."""

_COUNTER = "num_batches_tracked"
"""A batch norm's count, which files of old PyTorch lack and inference does not read."""


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

    @property
    def gaps(self) -> list[str]:
        """What keeps the file from filling the whole network."""
        return [*self.reshaped, *(name for name in self.missing if not name.endswith(_COUNTER))]

    @property
    def misfits(self) -> list[str]:
        """What the two do not share."""
        return [*self.gaps, *self.unused]

    def unmatched(self) -> list[tuple[str, str]]:
        """(what, name) of every tensor that found no place, for a table."""
        kinds = {"another shape": self.reshaped, "not in the file": self.missing, "not in the network": self.unused}
        return [(what, name) for what, names in kinds.items() for name in names]


@torch.no_grad()
def load_matching(network: nn.Module, weights: Mapping[str, Tensor]) -> Match:
    """Fills whatever has the same name and shape, up to what wrappers do to names.

    Half-precision weights are widened. Everything else keeps its own values. A tensor that the network knows under
    several names is filled by any of them.
    """
    own = tensors_of(network)
    renamed = _renamed(weights, own)
    both = [name for name in own if name in renamed]
    loaded = [name for name in both if own[name].shape == renamed[name].shape]
    for name in loaded:
        own[name].copy_(renamed[name])
    shapes = {name: f"{name} {tuple(own[name].shape)} against {tuple(renamed[name].shape)}" for name in both}
    filled = {_place(own[name]) for name in loaded}
    return Match(
        loaded=tuple(loaded),
        reshaped=tuple(shapes[name] for name in both if name not in set(loaded)),
        missing=tuple(name for name in own if name not in renamed and _place(own[name]) not in filled),
        unused=tuple(name for name in renamed if name not in own),
    )


def _place(tensor: Tensor) -> object:
    """Where its values lie; tensors without any share nothing."""
    return (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else object()


def _renamed(weights: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """The weights under the network's names, in the way that gives most of them a place.

    As they are; without a first part that all of them share; with one that all of the network's names share.
    """
    variants = [dict(weights)]
    if shared := _shared_part(weights):
        variants.append({name.removeprefix(shared): value for name, value in weights.items()})
    if shared := _shared_part(own):
        variants.append({shared + name: value for name, value in weights.items()})
    named = [_named(variant, own) for variant in variants]
    return max(named, key=lambda found: len(found.keys() & set(own)))


def _shared_part(names: Collection[str]) -> str:
    """`encoder.` where every name begins so, else nothing."""
    first = {name.partition(".")[0] for name in names}
    return f"{first.pop()}." if len(first) == 1 and all("." in name for name in names) else ""


def _named(weights: Mapping[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """Each under the network's name for it, or its own; names that are the network's go before any that resemble."""
    bare = {_bare(name): name for name in own}
    close = {_own_name(name, own, bare): value for name, value in weights.items()}
    return {**close, **{name: value for name, value in weights.items() if name in own}}


def _own_name(name: str, own: Collection[str], bare: Mapping[str, str]) -> str:
    short = name
    while short not in own:
        if _bare(short) in bare:
            return bare[_bare(short)]
        prefix, _, rest = short.partition(".")
        if prefix not in _PREFIXES or not rest:
            return name
        short = rest
    return short


def _bare(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _INSERTED)
