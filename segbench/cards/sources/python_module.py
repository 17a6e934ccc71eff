"""A class or function of an importable module: `package.module:Net`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from segbench.cards.card import ModelCard
from segbench.cards.spec import ModelSpec
from segbench.errors import CardError


class PythonModule:
    """Imported in the child only, from the folder the command runs in or from what is installed."""

    name = "python module"

    def claims(self, text: str) -> bool:
        return ":" in text

    def split(self, text: str) -> tuple[str, str]:
        place, _, name = text.rpartition(":")
        if not name.isidentifier() or not place:
            raise CardError(f"model {text!r} is not of the form file.py:Name or package.module:Name")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", place):
            raise CardError(f"model {text!r}: {place!r} is not a module's name")
        return place, name

    def card(self, spec: ModelSpec) -> ModelCard:
        return ModelCard(title=f"{spec.name} of {spec.place}", builder=f"{spec.place}:{spec.name}")

    def names(self) -> Sequence[str]:
        return ()
