"""What a source of networks has to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from segbench.cards.card import ModelCard
from segbench.cards.spec import ModelSpec


class ModelSource(Protocol):
    """One kind of place that networks come from; torch-free, and nothing of the place is imported."""

    @property
    def name(self) -> str:
        """One or two words, as `segbench models` shows them."""

    def claims(self, text: str, /) -> bool:
        """Whether a name without arguments and optimisations is of this source."""

    def split(self, text: str, /) -> tuple[str, str]:
        """(place, name): of a file the absolute path.

        Raises:
            CardError: a name that cannot be one.
        """

    def card(self, spec: ModelSpec, /) -> ModelCard:
        """What builds the network, before the name's own arguments.

        Raises:
            UnknownName: the place has nothing of that name.
            CardError: the place is missing or unreadable.
        """

    def names(self) -> Sequence[str]:
        """What can be listed; empty where nothing can without importing it."""
