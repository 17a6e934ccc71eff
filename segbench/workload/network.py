"""Builds the network a case names, also a user's own, and checks that it does what a segmentation network does."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segbench.cards.card import ModelCard
from segbench.cards.model import find_model
from segbench.errors import CardError, UserError
from segbench.libraries.padding import pad_inputs
from segbench.libraries.traits import traits_of
from segbench.memory_optimisations.switches import apply_optimisations
from segbench.records.case import Case, Json
from segbench.workload.first_forward import complete
from segbench.workload.settings import kept_settings

_CLASS_ARGUMENTS = ("classes", "num_classes", "n_classes")
"""By which a builder takes the number of classes."""
_SIZE_ARGUMENT = "input_hw"
"""By which it takes (H, W) of the images."""
_WHOLE = ("segbench.zoo.", "segbench.libraries.")
"""Where no network makes parameters in its first forward pass."""


def build_case_network(case: Case) -> nn.Module:
    """The case's network on the current default device, its weights drawn with the case's seed.

    Raises:
        CardError: the builder cannot be imported or refuses the card's arguments.
        UserError: a memory-saving switch finds nothing to change.
    """
    model = find_model(case.model)
    torch.manual_seed(case.seed)
    network = build_whole(model.card, (case.height, case.width), case.classes, dict(case.arguments))
    fit_to_size(network, case)
    if torch.initial_seed() != case.seed:  # its own code seeded; images and labels are drawn with the case's
        torch.manual_seed(case.seed)
    apply_optimisations(network, model.optimisations)
    return network


def fit_to_size(network: nn.Module, case: Case) -> None:
    """Refuses images of a size that the network does not take, or has it pad them, as the case says.

    Raises:
        UserError: the sentence says the nearest sizes that it takes.
    """
    traits = traits_of(network)
    if case.pad:
        pad_inputs(network)
        return
    size = case.height, case.width
    if traits.padded(size) != size:
        good = " or ".join(f"{width}x{height}" for height, width in traits.near(size))
        raise UserError(
            f"{find_model(case.model).name} takes {traits.images}, not {case.width}x{case.height}; give --input {good},"
            " or pad with --pad"
        )


def built_for_any_size(case: Case) -> bool:
    """Whether the case's network is surely the same whatever the size of its images."""
    builder = find_model(case.model).card.builder
    return builder.startswith(_WHOLE) and _SIZE_ARGUMENT not in _parameters(_import_builder(builder))


def build_whole(card: ModelCard, size: tuple[int, int], classes: int, arguments: Mapping[str, Json]) -> nn.Module:
    """As `build_from_card`, lazy parameters and layers made in the first forward pass included.

    Args:
        card, classes, arguments: as there.
        size: (H, W) of the images.

    Raises:
        CardError, UserError: the builder fails, or lazy parameters are out of reach.
    """
    build = partial(build_from_card, card, classes, arguments, size)
    return complete(build(), size, None if card.builder.startswith(_WHOLE) else build)


def build_from_card(
    card: ModelCard,
    classes: int = 11,
    arguments: Mapping[str, Json] | None = None,
    size: tuple[int, int] | None = None,
) -> nn.Module:
    """The network of a card with some of its arguments replaced.

    Args:
        card, classes, arguments: as they say.
        size: (H, W) of the images, for a builder that takes them as `input_hw`.

    What its code sets of torch (a default dtype, threads) is put back, after the import and after the building.

    Raises:
        CardError: the builder cannot be imported or refuses the arguments.
    """
    with kept_settings():
        builder = _import_builder(card.builder)
    keywords: dict[str, Any] = {**card.arguments, **(arguments or {})}
    parameters = _parameters(builder)
    name = next((name for name in _CLASS_ARGUMENTS if name in parameters), None)
    if name is not None:
        keywords[name] = classes
    if _SIZE_ARGUMENT in parameters:
        keywords.setdefault(_SIZE_ARGUMENT, size)
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
    found: int,
    classes: int,
    advice: str = "let its builder take classes=, or write a card with the right [arguments]",
) -> None:
    """Refuses class scores of a network for another number of classes, `found`, than is asked.

    Raises:
        UserError: the sentence says both numbers, and the advice.
    """
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


def _parameters(builder: Callable[..., object]) -> Collection[str]:
    """Names of its keywords; none where it does not tell."""
    try:
        return inspect.signature(builder).parameters
    except (TypeError, ValueError):
        return ()
