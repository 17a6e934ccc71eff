"""Finds what `--model` names: one network, or every network of a set."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, replace

from segbench.cards.card import ModelCard
from segbench.cards.catalogue import model_sets
from segbench.cards.sources import card_of, read_spec
from segbench.cards.spec import ModelSpec
from segbench.records.text import printable

_LONGEST_NAME = 120
"""Characters of a network's name: tables have a column for it, and figures a legend."""


@dataclass(frozen=True)
class Model:
    """A network to be benchmarked.

    Attributes:
        name: shown in tables; the card's name, or what the user wrote, escaped where it could not be shown.
        spec: what finds it again; its text is `Case.model`.
        card: builder, arguments, recipe, references.
    """

    name: str
    spec: ModelSpec
    card: ModelCard

    @property
    def optimisations(self) -> tuple[str, ...]:
        """Memory optimisations to apply, in order."""
        return self.spec.optimisations


def find_model(text: str) -> Model:
    """The network that a name means; `segbench.cards.spec` says what may be written.

    Raises:
        UnknownName: no card of that name; near names are suggested.
        CardError: the user's file is missing or its card does not validate.
    """
    spec = read_spec(text)
    return Model(printable(spec.shown, _LONGEST_NAME), spec, card_of(spec))


def find_models(names: list[str]) -> list[Model]:
    """Every network the names stand for, sets unfolded, each once, in the order given.

    Files of one name are told apart by their folders: `old/net.py:Net` and `new/net.py:Net`.
    """
    texts = [member for name in names for member in model_sets().get(name, [name])]
    models = {model.spec.text: model for model in map(find_model, texts)}
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
    file = model.spec.file
    if file is None:
        return model
    name = "/".join([*file.parts[-1 - count : -1], model.name.rpartition("/")[2]])
    return replace(model, name=printable(name, _LONGEST_NAME))
