"""How a data set is named between a command and its child, and how it is named in a record."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_USERS = re.compile(r"(?:(?P<name>[\w.-]+)#(?P<digest>[0-9a-f]+)@)?(?P<card>.+\.toml)(?::(?P<options>.*))?", re.S)


@dataclass(frozen=True)
class DatasetSpec:
    """A data set as a user writes it (`camvid:grouping=strict`, `mine.toml`), or as a child receives it.

    A child receives a user's card as `mine#3fa94c01@/home/me/mine.toml`: its name for people, a hash of what it says
    about the data, so that a changed card is another case, and where it lies.

    Attributes:
        name: of the data set; of a user's card that was not read yet, its file's.
        card: the user's TOML file; None for a built-in data set.
        digest: of that card; empty until it was read.
        options: what stands behind the colon.
    """

    name: str
    card: Path | None = None
    digest: str = ""
    options: str = ""

    @classmethod
    def parse(cls, text: str) -> DatasetSpec:
        found = _USERS.fullmatch(text)
        if found is None:
            name, _, options = text.partition(":")
            return cls(name, options=options)
        card = Path(found["card"])
        return cls(found["name"] or card.stem, card, found["digest"] or "", found["options"] or "")

    def __str__(self) -> str:
        tail = f":{self.options}" if self.options else ""
        if self.card is None:
            return self.name + tail
        known = f"{self.name}#{self.digest}@" if self.digest else ""
        return f"{known}{self.card}{tail}"

    @property
    def written(self) -> str:
        """As a user writes it."""
        return str(replace(self, digest=""))

    @property
    def published(self) -> str:
        """Name and options without the place: what a record may say."""
        return f"{self.name}:{self.options}" if self.options else self.name


def dataset_name(spec: str) -> str:
    """The data set's name, without its options and place."""
    return DatasetSpec.parse(spec).name


def published_dataset(spec: str) -> str:
    """The data set's name and options, without its place."""
    return DatasetSpec.parse(spec).published
