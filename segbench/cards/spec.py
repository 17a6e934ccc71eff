"""The one place where a network's name is read: source, place, name, arguments and memory optimisations.

segnode                            a model card of the catalogue
mine.toml                          a model card in a file
file.py:Net, package.module:Net    a class or function of the user's
smp:Unet, timm:convnext_tiny, ...  a network of a library (`segbench.cards.sources`)
NAME?steps=8&norm=batch            builder arguments, JSON or TOML values or plain words
NAME+checkpoint:sqrt+recompute     memory optimisations, some with a value behind a colon
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.errors import UnknownName
from segbench.records.case import Json
from segbench.records.literals import literal, name_and_value

OPTIMISATIONS = (
    "inplace-abn",
    "reversible",
    "recompute",
    "checkpoint",
    "bf16",
    "fp16",
    "save-on-cpu",
    "compress",
)
"""Names that may follow a network with a plus. `segbench.memory_optimisations.switches` has their code."""
BUDGET = "checkpoint:budget="
"""Begins the optimisation whose modules are still to be chosen, for a case (`segbench.tasks.budget`)."""
_OLD_NAMES = {"thin": "recompute"}
_LIKE_AN_OPTIMISATION = re.compile(r"[a-z][a-z0-9-]*(:[^+?/]*)?")
"""What stands behind a plus and can be no part of a path, a class or an argument."""


@dataclass(frozen=True)
class ModelSpec:
    """A network's name, read.

    Attributes:
        source: where it comes from, a name of `segbench.cards.sources.SOURCES`.
        place: of the source: a file's absolute path, a module's name; empty in the catalogue.
        name: there.
        arguments: builder arguments in place of the card's.
        optimisations: names of `OPTIMISATIONS`, with a value behind a colon where one was given.
    """

    source: str
    place: str
    name: str
    arguments: tuple[tuple[str, Json], ...] = ()
    optimisations: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What finds the network again from any folder of this machine (`Case.model`)."""
        return self._written(self.place)

    @property
    def shown(self) -> str:
        """What tables and ledgers call it: a file by its last name, a card file by its card."""
        if self.source == "card file":
            return replace(self, source="catalogue", place="").text
        return self.published().text

    @property
    def file(self) -> Path | None:
        """The user's file or folder that another machine would have to be sent; None for what is installed."""
        if Path(self.name).is_absolute():
            return Path(self.name)
        return Path(self.place) if self.place.endswith((".py", ".toml")) else None

    def published(self) -> ModelSpec:
        """Without this machine's folders."""
        return replace(self, place=Path(self.place).name, name=Path(self.name).name) if self.file else self

    def _written(self, place: str) -> str:
        base = ":".join(part for part in (place, self.name) if part) if self.source != "card file" else place
        values = "&".join(f"{name}={_written_value(value)}" for name, value in self.arguments)
        return "+".join([f"{base}?{values}" if values else base, *self.optimisations])


def split_spec(text: str) -> tuple[str, tuple[tuple[str, Json], ...], tuple[str, ...]]:
    """The network's own name, its arguments, and its memory optimisations.

    Raises:
        UserError: an argument that is not of the form name=value.
        UnknownName: no such memory optimisation; near names are suggested.
    """
    found: list[str] = []
    plain, plus, last = text.rpartition("+")
    while plus and plain and (name := _optimisation(last)):
        found.insert(0, name)
        text = plain
        plain, plus, last = text.rpartition("+")
    if plus and plain and _LIKE_AN_OPTIMISATION.fullmatch(last):
        raise UnknownName("memory optimisation", last.partition(":")[0], OPTIMISATIONS)
    base, _, tail = text.partition("?")
    pairs = (name_and_value(item, f"{base}?steps=8") for item in tail.split("&") if item)
    return base, tuple(sorted(dict(pairs).items())), tuple(found)


def _optimisation(text: str) -> str:
    """As it is written today, with its value; empty if it is none."""
    name, colon, value = text.partition(":")
    name = _OLD_NAMES.get(name, name)
    return f"{name}{colon}{value}" if name in OPTIMISATIONS else ""


def _written_value(value: Json) -> str:
    """As `literal` reads it: words as they are."""
    if isinstance(value, str) and _is_word(value):
        return value
    text = json.dumps(value, separators=(",", ":"))
    return re.sub(r"[&?]|(?<![eE])\+", lambda sign: f"\\u{ord(sign[0]):04x}", text)  # only texts hold these signs


def _is_word(text: str) -> bool:
    return text == text.strip() != "" and not set(text) & set('&+?"\n') and literal(text) == text
