"""Writes a network of a library or file as a model card that a paper can cite, and that `--model` reads back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from segbench.cards.model import Model
from segbench.errors import CardError

_CARDS = ("catalogue", "card file")


def card_text(model: Model, notes: Sequence[str], folder: Path | None = None) -> str:
    """A card in TOML.

    Args:
        model: as `--model` names it, with its arguments.
        folder: of the card; a Python file in it or below is named without this machine's folders. None: the current.
        notes: the library with its version, its parameters, what it takes out of images: one phrase each.

    Raises:
        CardError: the network has a card already, or has memory optimisations, which are no part of one.
    """
    spec = model.spec
    if spec.source in _CARDS:
        raise CardError(f"{model.name} is a card already; copy its file to change it")
    if spec.optimisations:
        raise CardError(f"{model.name}: memory optimisations are no part of a card; write them behind its name")
    arguments = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in spec.arguments]
    head = {
        "title": ", ".join([model.card.title, *arguments]),
        "network": _without(folder or Path.cwd(), spec.text),
        "note": "; ".join(filter(None, [*notes, model.card.note])),
    }
    size = f"\n[input]\n{_lines(model.card.input.model_dump())}" if model.card.own_conditions else ""
    return f"{_lines(head)}\n{size}"


def _without(folder: Path, text: str) -> str:
    return text.replace(f"{folder.resolve()}/", "", 1)


def _lines(values: Mapping[str, object]) -> str:
    """TOML's basic strings and numbers are written as JSON's are."""
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
