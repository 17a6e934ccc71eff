"""Builds the network a case names, also a user's own, and checks that it does what a segmentation network does."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segbench.cards.card import ModelCard
from segbench.cards.model import find_model
from segbench.errors import CardError, UserError
from segbench.memory_optimisations.switches import apply_optimisations
from segbench.records.case import Case, Json
from segbench.workload.first_forward import complete
from segbench.workload.settings import kept_settings

_CLASS_ARGUMENTS = ("classes", "num_classes", "n_classes")


def build_case_network(case: Case) -> nn.Module:
    """The case's network on the current default device, its weights drawn with the case's seed.

    Raises:
        CardError: the builder cannot be imported or refuses the card's arguments.
        UserError: a memory-saving switch finds nothing to change.
    """
    model = find_model(case.model)
    torch.manual_seed(case.seed)
    network = build_whole(model.card, (case.height, case.width), case.classes, dict(case.arguments))
    if torch.initial_seed() != case.seed:  # its own code seeded; images and labels are drawn with the case's
        torch.manual_seed(case.seed)
    apply_optimisations(network, model.optimisations)
    return network


def build_whole(card: ModelCard, size: tuple[int, int], classes: int, arguments: Mapping[str, Json]) -> nn.Module:
    """As `build_from_card`, lazy parameters and layers made in the first forward pass included.

    Args:
        card, classes, arguments: as there.
        size: (H, W) of the images.

    Raises:
        CardError, UserError: the builder fails, or lazy parameters are out of reach.
    """
    build = partial(build_from_card, card, classes, arguments)
    return complete(build(), size, None if card.builder.startswith("segbench.zoo.") else build)


def build_from_card(card: ModelCard, classes: int = 11, arguments: Mapping[str, Json] | None = None) -> nn.Module:
    """The network of a card with some of its arguments replaced.

    What its code sets of torch (a default dtype, threads) is put back, after the import and after the building.

    Raises:
        CardError: the builder cannot be imported or refuses the arguments.
    """
    with kept_settings():
        builder = _import_builder(card.builder)
    keywords: dict[str, Any] = {**card.arguments, **(arguments or {})}
    name = _classes_argument(builder)
    if name is not None:
        keywords[name] = classes
    try:
        with kept_settings():
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
