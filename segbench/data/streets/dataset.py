"""The embedded data set: streets drawn on demand, the same for everybody, in any number and size."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from segbench.cards.datasets import DatasetCard
from segbench.data.broken import Broken
from segbench.data.dataset import CardFacts, Sample
from segbench.data.streets.street import draw_street
from segbench.errors import UserError
from segbench.units import parse_size

VERSION = 1
"""Raised whenever the same seed draws another picture."""


class SyntheticStreets(CardFacts):
    """Street scenes by seed, split and index; nothing is kept, each access draws anew."""

    def __init__(self, card: DatasetCard, split: str, width: int, height: int, seed: int = 0, count: int = 0) -> None:
        """Scenes of the split's parts, `count` of each or the card's usual number."""
        self.card, self.split = card, split
        self.width, self.height, self.seed = width, height, seed
        self.broken: tuple[Broken, ...] = ()
        self.names = tuple(
            f"{part}-{index:05d}" for part in card.parts(split) for index in range(count or card.splits[part])
        )

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int, /) -> Sample:
        name = self.names[index]
        image, label = draw_street(self.width, self.height, f"{VERSION}-{self.seed}-{name}")
        return Sample(image, label, name)

    @cached_property
    def fingerprint(self) -> str:
        """Of the first and the last picture too, so that another version of the drawing library is noticed."""
        digest = hashlib.sha256(f"{VERSION} {self.seed} {self.width}x{self.height} {self.names}".encode())
        for index in (0, len(self) - 1):
            sample = self[index]
            digest.update(sample.image.tobytes() + sample.label.tobytes())
        return digest.hexdigest()[:12]

    def describe(self) -> dict[str, Any]:
        return {
            "dataset": self.name,
            "split": self.split,
            "images": len(self),
            "broken": 0,
            "classes": self.classes,
            "layout": "drawn",
            "options": {"size": f"{self.width}x{self.height}", "seed": str(self.seed), "version": str(VERSION)},
            "fingerprint": self.fingerprint,
        }


def open_synthetic(card: DatasetCard, split: str, options: Mapping[str, str]) -> SyntheticStreets:
    """The embedded data set with the options `size`, `seed` and `count` as texts.

    Raises:
        UserError: an option that is no size or no number.
    """
    width, height = parse_size(options["size"])
    numbers = {}
    for name in ("seed", "count"):
        if not options[name].isdecimal():
            raise UserError(f"{card.name}'s option {name} is {options[name]!r}; it must be a whole number, 0 or more")
        numbers[name] = int(options[name])
    return SyntheticStreets(card, split, width, height, **numbers)
