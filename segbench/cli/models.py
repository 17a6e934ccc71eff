"""`segbench models`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench.cards.card import ModelCard, read_card
from segbench.cards.catalogue import card_names, model_sets, models_folder
from segbench.cards.model import find_model
from segbench.cards.sources import LIBRARIES
from segbench.cards.sources.library import Library
from segbench.cells.jobs import Single
from segbench.cli.groups import PeoplesFormat
from segbench.cli.session import local_executor
from segbench.cli.show import for_people, show
from segbench.errors import UnknownName, UserError
from segbench.present.amounts import as_published
from segbench.present.table import Table, table_of
from segbench.records.case import Case
from segbench.records.options import LibraryOptions

_LIBRARIES = {library.name: library for library in LIBRARIES}
_LONGEST_S = 120.0
"""A library's import takes seconds."""


def models(
    name: Annotated[str | None, typer.Argument(help="One card, shown whole.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help=f"What a library has instead: {', '.join(_LIBRARIES)}.")
    ] = None,
    format: PeoplesFormat = "table",
) -> None:
    """The networks of the catalogue, the named sets, and what was published of them; or those of a library."""
    shown = for_people(format)
    if source is not None:
        show(_of_library(source), [], shown)
    else:
        show([_whole(find_model(name).card, name) if name else _catalogue()], [], shown)


def _of_library(name: str) -> list[Table]:
    """Its networks, and the values of arguments that have names; a child imports it.

    Raises:
        UnknownName: segbench reads no such library.
        UserError: it is not installed, or cannot be listed.
    """
    if name not in _LIBRARIES:
        raise UnknownName("source", name, _LIBRARIES)
    case = Case("library", model="", options=LibraryOptions(library=name))
    (result,) = local_executor().submit(Single(case), _LONGEST_S, _unheard).result()
    if not result.measurements:
        raise UserError(result.cause or f"{name} cannot be listed")
    (found,) = result.measurements
    return [_names_of(_LIBRARIES[name], what, names) for what, names in found.detail.items()]


def _names_of(library: Library, what: str, names: list[str]) -> Table:
    if what == "network":
        note = f"written as in {library.example}"
        rows = [[f"{library.name}:{item}"] for item in names]
        return table_of(f"Networks of {library.package}", ["network"], rows, [note], prose=True)
    return table_of(f"Values of ?{what}=", [what], [[item] for item in names], prose=True)


def _unheard(*_: object) -> None:
    """A list has no progress."""


def _catalogue() -> Table:
    folder = models_folder()
    cards = {name: read_card(folder / f"{name}.toml") for name in card_names()}
    named = {label: members for label, members in model_sets().items() if label != "all"}
    sets = {name: [label for label, members in named.items() if name in members] for name in cards}
    rows = [[name, card.title, ", ".join(sets[name]), _parameters(card)] for name, card in cards.items()]
    unfolded = "; ".join(f"{label} = {', '.join(members)}" for label, members in named.items())
    notes = [
        f"sets: {unfolded}; all = every card",
        "your own: -m card.toml, -m file.py:Name or -m package.module:Name",
        f"of a library: {', '.join(f'-m {item.example}' for item in LIBRARIES)}; --source NAME lists them",
    ]
    return table_of("Models", ["card", "network", "sets", "published parameters"], rows, notes, prose=True)


def _parameters(card: ModelCard) -> str:
    found = [as_published(item.value, item.unit) for item in card.reference if item.quantity == "parameters"]
    return found[0] if found else ""


def _whole(card: ModelCard, name: str) -> Table:
    rows = [["builder", card.builder]]
    rows += [[f"argument {key}", str(value)] for key, value in card.arguments.items()]
    rows += [[f"recipe {key}", str(value)] for key, value in card.recipe.model_dump(exclude_none=True).items()]
    for item in card.reference:
        rows.append(
            [f"published {item.quantity}", f"{as_published(item.value, item.unit)}  ({item.conditions}; {item.source})"]
        )
    return table_of(f"{name}: {card.title}", ["", ""], rows, [card.note] if card.note else [], prose=True)
