"""Writes a network of a library or file as a model card that a paper can cite, and that `--model` reads back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from segbench.cards.card import Reference
from segbench.cards.model import Model
from segbench.errors import CardError

_CARDS = ("catalogue", "card file")


def card_text(model: Model, notes: Sequence[str], counted: Reference) -> str:
    """A card in TOML.

    Args:
        model: as `--model` names it, with its arguments.
        notes: of the library, its version, and what it takes out of images, one phrase each.
        counted: its parameters.

    Raises:
        CardError: the network has a card already, or has memory optimisations, which are no part of one.
    """
    spec = model.spec
    if spec.source in _CARDS:
        raise CardError(f"{model.name} is a card already; copy its file to change it")
    if spec.optimisations:
        raise CardError(f"{model.name}: memory optimisations are no part of a card; write them behind its name")
    arguments = ", ".join(f"{name} = {json.dumps(value)}" for name, value in spec.arguments)
    head = {
        "title": f"{model.card.title}, {arguments}" if arguments else model.card.title,
        "network": _from_here(spec.text),
        "note": "; ".join(filter(None, [*notes, model.card.note])),
    }
    tables = {"[input]": model.card.input.model_dump()} if model.card.own_conditions else {}
    tables["[[reference]]"] = counted.model_dump(exclude_none=True)
    return "\n\n".join([_lines(head), *(f"{name}\n{_lines(values)}" for name, values in tables.items())]) + "\n"


def _from_here(text: str) -> str:
    """A file in the current folder by its name alone, so that the card can travel with it."""
    return text.replace(f"{Path.cwd()}/", "", 1)


def _lines(values: Mapping[str, object]) -> str:
    """TOML's basic strings and numbers are written as JSON's are."""
    return "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
