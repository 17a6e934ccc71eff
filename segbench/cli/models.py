"""`segbench models`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench.cards.card import ModelCard, read_card
from segbench.cards.catalogue import card_names, model_sets, models_folder
from segbench.cards.model import find_model
from segbench.cli.groups import PeoplesFormat
from segbench.cli.show import for_people, show
from segbench.present.amounts import as_published
from segbench.present.table import Table, table_of


def models(
    name: Annotated[str | None, typer.Argument(help="One card, shown whole.")] = None,
    format: PeoplesFormat = "table",
) -> None:
    """The networks of the catalogue, the named sets, and what was published of them."""
    table = _whole(find_model(name).card, name) if name else _catalogue()
    show([table], [], for_people(format))


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
