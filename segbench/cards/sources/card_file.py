"""A model card in a file of the user's: `mine.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.cards.card import ModelCard, read_card
from segbench.cards.spec import ModelSpec


class CardFile:
    """The file's name is the network's."""

    name = "card file"

    def claims(self, text: str) -> bool:
        return text.endswith(".toml")

    def split(self, text: str) -> tuple[str, str]:
        path = Path(text).expanduser().resolve()
        return str(path), path.stem

    def card(self, spec: ModelSpec) -> ModelCard:
        return read_card(Path(spec.place))

    def names(self) -> Sequence[str]:
        return ()
