"""A class or function in a file of the user's: `file.py:Net`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench.cards.card import ModelCard
from segbench.cards.spec import ModelSpec
from segbench.errors import CardError


class PythonFile:
    """Imported in the child only, with its folder on the path, as `python file.py` would."""

    name = "python file"

    def claims(self, text: str) -> bool:
        return ".py:" in text

    def split(self, text: str) -> tuple[str, str]:
        place, _, name = text.rpartition(":")
        if not name.isidentifier():
            raise CardError(f"model {text!r} is not of the form file.py:Name")
        return str(Path(place).expanduser().resolve()), name

    def card(self, spec: ModelSpec) -> ModelCard:
        path = Path(spec.place)
        if not path.is_file():
            raise CardError(f"model {path.name}:{spec.name}: there is no file {path}")
        return ModelCard(title=f"{spec.name} of {path.name}", builder=f"{spec.place}:{spec.name}")

    def names(self) -> Sequence[str]:
        return ()
