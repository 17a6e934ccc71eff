"""Finds what `--model` names: a card of the catalogue, a set of cards, a user's card, or a user's class."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from segbench.cards.card import ModelCard, read_card
from segbench.errors import CardError, UnknownName

_SETS_FILE = "sets.toml"

OPTIMISATIONS = ("recompute", "checkpoint")
"""Names that may follow a model with a plus: `hrnetv2+checkpoint`. `segbench.memory_optimisations.switches` has their
code."""


@dataclass(frozen=True)
class Model:
    """A network to be benchmarked: how the user named it, and its card.

    Attributes:
        name: shown in tables; the card's name, or what the user wrote.
        spec: what a child needs to find it again (`Case.model`): an absolute path for files.
        card: builder, arguments, recipe, references.
        optimisations: memory-saving switches to apply, of `OPTIMISATIONS`.
    """

    name: str
    spec: str
    card: ModelCard
    optimisations: tuple[str, ...] = ()


def models_folder() -> Path:
    """The folder of cards: `models/` of a checkout, or `_models/` of an installed wheel.

    Plain path arithmetic, because `importlib.resources` on a mapped folder fails in editable installs.

    Raises:
        CardError: neither folder exists (a missing folder would glob to an empty list).
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_models", package.parent / "models"):
        if (folder / _SETS_FILE).is_file():
            return folder
    raise CardError(f"the catalogue of models is missing beside {package}; install segbench again")


def card_names() -> list[str]:
    """Every card of the catalogue, sorted."""
    return sorted(path.stem for path in models_folder().glob("*.toml") if path.name != _SETS_FILE)


@lru_cache(maxsize=1)
def model_sets() -> dict[str, list[str]]:
    """The named sets: `table2` -> its cards in the paper's order."""
    data = tomllib.loads((models_folder() / _SETS_FILE).read_text(encoding="utf-8"))
    return {name: list(members) for name, members in data.items()}


def find_models(names: list[str]) -> list[Model]:
    """Every network the names stand for, sets unfolded, each once, in the order given.

    Files of one name are told apart by their folders: `old/net.py:Net` and `new/net.py:Net`.
    """
    specs = [member for name in names for member in model_sets().get(name, [name])]
    models = {model.spec: model for model in map(find_model, specs)}
    return _told_apart(list(models.values()))


def _told_apart(models: list[Model]) -> list[Model]:
    """The models, with as many folders before equal names as it takes."""
    for folders in itertools.count(1):
        counts = Counter(model.name for model in models)
        if max(counts.values(), default=1) == 1:
            break
        models = [model if counts[model.name] == 1 else _with_folders(model, folders) for model in models]
    return models


def _with_folders(model: Model, count: int) -> Model:
    """A file's name with the last folders of its path; a card of the catalogue keeps its own."""
    path = Path(model.spec)
    if not path.is_absolute():
        return model
    return replace(model, name="/".join([*path.parts[-1 - count : -1], model.name.rpartition("/")[2]]))


def find_model(spec: str) -> Model:
    """The network that `spec` names: `segnode`, `mine.toml`, `file.py:Net` or `package.module:Net`.

    Memory-saving switches may follow: `hrnetv2+checkpoint`, `hrnetv2+recompute+checkpoint`.

    Raises:
        UnknownName: no card of that name; near names are suggested.
        CardError: the user's file is missing or its card does not validate.
    """
    plain, _, optimisation = spec.rpartition("+")
    if optimisation in OPTIMISATIONS and plain:
        model = find_model(plain)
        return Model(
            f"{model.name}+{optimisation}",
            f"{model.spec}+{optimisation}",
            model.card,
            (*model.optimisations, optimisation),
        )
    if spec.endswith(".toml"):
        path = Path(spec).expanduser().resolve()
        return Model(path.stem, str(path), read_card(path))
    if ":" in spec:
        return _users_class(spec)
    if spec in card_names():
        return Model(spec, spec, read_card(models_folder() / f"{spec}.toml"))
    raise UnknownName("model", spec, [*card_names(), *model_sets()], "or give card.toml, file.py:Name or module:Name")


def _users_class(spec: str) -> Model:
    place, _, name = spec.rpartition(":")
    if not name.isidentifier() or not place:
        raise CardError(f"model {spec!r} is not of the form file.py:Name or package.module:Name")
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise CardError(f"model {spec!r}: there is no file {path}")
        spec = f"{path}:{name}"
    elif not re.fullmatch(r"[A-Za-z_][\w.]*", place):
        raise CardError(f"model {spec!r}: {place!r} is not a module's name")
    return Model(f"{Path(place).name}:{name}", spec, ModelCard(title=f"{name} of {Path(place).name}", builder=spec))
