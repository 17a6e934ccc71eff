"""The catalogue of model cards that come with segbench."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.cards.card import ModelCard, read_card
from segbench.cards.catalogue import card_names, model_sets, models_folder
from segbench.cards.spec import ModelSpec
from segbench.errors import UnknownName


class Catalogue:
    """`segnode`: any name that no other source claims."""

    name = "catalogue"

    def claims(self, text: str) -> bool:  # noqa: ARG002
        return True

    def split(self, text: str) -> tuple[str, str]:
        return "", text

    def card(self, spec: ModelSpec) -> ModelCard:
        if spec.name not in card_names():
            known = [*card_names(), *model_sets()]
            raise UnknownName("model", spec.name, known, "or give card.toml, file.py:Name or module:Name")
        return read_card(models_folder() / f"{spec.name}.toml")

    def names(self) -> Sequence[str]:
        return card_names()
