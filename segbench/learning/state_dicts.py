"""The named tensors in what training scripts save: bare, wrapped, nested, as pairs, beside whatever else they keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

_WRAPPERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema"),  # a running mean, where there is one
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "params", "weights", "module"),
)
"""Keys under which scripts keep the weights, the ones to prefer first."""

_OTHERS = ("optim", "sched", "scaler", "rng", "config", "args", "hparam", "hyper", "loops", "callbacks", "meta", "loss")
"""Words in the keys of what is no network."""


def named_tensors(found: Any) -> dict[str, Tensor]:
    """The weights in a loaded object by name; empty where no tensor has one.

    Tensors of modules kept apart (`{"encoder": {...}, "decoder": {...}}`) are called `encoder.NAME`. What is no tensor,
    such as a module's extra state, is left out. Of a whole module, which only a trusted file can hold, it is the state.
    """
    if isinstance(found, nn.Module):
        found = found.state_dict()
    if isinstance(found, (list, tuple)):
        return _of_sequence(found)
    if not isinstance(found, Mapping):
        return {}
    inner = next((content for key in _WRAPPERS if (content := _content(found, key))), None)
    if inner is not None and all(key in _WRAPPERS for key, _ in _parts(found)):
        return inner
    own = {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, Tensor)}
    nested = {f"{key}.{name}": value for key, tensors in _parts(found) for name, value in tensors.items()}
    return own | nested


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """A network's state by name, without extra state that is no tensor."""
    return {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Fills a network with all of its tensors; extra state stays as it is."""
    network.load_state_dict({**network.state_dict(), **tensors})


def _of_sequence(found: list[Any] | tuple[Any, ...]) -> dict[str, Tensor]:
    """Of `list(state_dict.items())`, or of a state dictionary alone in a list."""
    if len(found) == 1:
        return named_tensors(found[0])
    pairs = (item for item in found if isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], str))
    return named_tensors({item[0]: item[1] for item in pairs})


def _content(found: Mapping[Any, Any], key: str) -> dict[str, Tensor]:
    """What a wrapper's key holds; nothing if that is itself a tensor, of a parameter called `weights`."""
    inner = found.get(key)
    return named_tensors(inner) if isinstance(inner, (Mapping, list, tuple, nn.Module)) else {}


def _parts(found: Mapping[Any, Any]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The mappings of named tensors below a mapping; beside others, what is called as a wrapper is a module too."""
    for key, value in found.items():
        kept = isinstance(key, str) and not any(word in key.lower() for word in _OTHERS)
        if kept and isinstance(value, (Mapping, nn.Module)):
            tensors = named_tensors(value)
            if tensors:
                yield key, tensors
