"""Builds the network a case names, also a user's own, and checks that it does what a segmentation network does."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.cards.card import ModelCard
from segbench.cards.model import find_model
from segbench.errors import CardError, UserError
from segbench.memory_optimisations.switches import apply_optimisations
from segbench.records.case import Case, Json

_CLASS_ARGUMENTS = ("classes", "num_classes", "n_classes")


def build_network(case: Case) -> nn.Module:
    """The case's network on the current default device, its weights drawn with the case's seed.

    Raises:
        CardError: the builder cannot be imported or refuses the card's arguments.
        UserError: a memory-saving switch finds nothing to change.
    """
    model = find_model(case.model)
    torch.manual_seed(case.seed)
    network = build_from_card(model.card, case.classes, dict(case.arguments))
    apply_optimisations(network, model.optimisations)
    return network


def build_from_card(card: ModelCard, classes: int = 11, arguments: Mapping[str, Json] | None = None) -> nn.Module:
    """The network of a card with some of its arguments replaced.

    Raises:
        CardError: the builder cannot be imported or refuses the arguments.
    """
    builder = _import_builder(card.builder)
    keywords: dict[str, Any] = {**card.arguments, **(arguments or {})}
    name = _classes_argument(builder)
    if name is not None:
        keywords[name] = classes
    try:
        network = builder(**keywords)
    except UserError:
        raise
    except Exception as error:
        given = ", ".join(f"{key}={value!r}" for key, value in keywords.items())
        raise CardError(f"builder {card.builder} fails with ({given}): {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise CardError(f"builder {card.builder} gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def require_classes(
    network: str,
    logits: Tensor,
    classes: int,
    advice: str = "let its builder take classes=, or write a card with the right [arguments]",
) -> None:
    """Refuses class scores `(N, C, H, W)` of a network for another number of classes than is asked.

    Raises:
        UserError: the sentence says both numbers, and the advice.
    """
    found = logits.shape[1]
    if found != classes:
        raise UserError(f"{network} gives {found} classes, asked are {classes}; {advice}")


def logits_of(output: Tensor | Mapping[str, Tensor] | tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
    """Full-size class scores `(N, classes, H, W)` from what networks in the wild return.

    A mapping gives its `out` (torchvision's convention), a sequence its first tensor; smaller maps are enlarged
    bilinearly to `size` = (H, W).

    Raises:
        UserError: nothing of the kind was returned.
    """
    if isinstance(output, Mapping):
        output = output.get("out", next(iter(output.values())))
    elif isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, Tensor) or output.ndim != 4:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UserError(f"the network returned {found}; segbench needs class scores of shape (N, classes, H, W)")
    if output.shape[-2:] == size:
        return output
    return functional.interpolate(output, size=size, mode="bilinear", align_corners=False)


def _import_builder(builder: str) -> Callable[..., object]:
    place, _, name = builder.rpartition(":")
    try:
        module = _import_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:  # a user's module may raise anything on import
        raise CardError(f"builder {builder} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        classes = [
            key for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)
        ]
        raise CardError(f"{place} has no {name!r}; networks there: {', '.join(classes) or 'none'}")
    found = getattr(module, name)
    if not callable(found):
        raise CardError(f"{builder} is a {type(found).__name__}, not a class or function that builds a network")
    return found  # type: ignore[no-any-return]


def _import_file(path: Path) -> object:
    """Imports a user's file with its folder on the path, as `python file.py` would."""
    spec = importlib.util.spec_from_file_location(f"_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def _classes_argument(builder: Callable[..., object]) -> str | None:
    """The keyword by which the builder takes the number of classes; None where it takes none."""
    try:
        parameters = inspect.signature(builder).parameters
    except (TypeError, ValueError):
        return None
    return next((name for name in _CLASS_ARGUMENTS if name in parameters), None)
