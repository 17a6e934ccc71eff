"""Which classes of a network stand for which of a data set, where the two lists differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from segbench.cards.datasets import dataset_card
from segbench.cards.validation import Strict, read_toml, validated
from segbench.errors import CardError

_KIND = "label map"
NONE = "none"
"""In a file: what the data set does not have."""

LabelMap = tuple[tuple[str, int | None], ...]
"""The network's classes in the order of its outputs, each with the train id it counts as; None where the data set has
nothing of the kind."""


def _of_dataset(value: object) -> object:
    return dataset_card(value).class_names if isinstance(value, str) else value


class _File(Strict):
    classes: Annotated[tuple[str, ...], BeforeValidator(_of_dataset)] = Field(min_length=1)
    """Of the network, in the order of its outputs: their names, or the data set that has them."""
    map: Mapping[str, str] = {}
    """Class of the network -> class of the data set, or `none`; the others are joined by their names."""


def read_label_map(text: str, names: Sequence[str]) -> LabelMap:
    """The map that `--label-map` means, a data set's name or a file; classes of one name are the same.

    Names are compared without capitals, blanks and signs: `traffic_light` is `Traffic light`.

    Args:
        text: of the flag.
        names: of the classes of the data set that is evaluated, in the order of their train ids.

    Raises:
        UnknownName: no such data set.
        CardError: the file cannot be read, names a class that there is not, or no class has a place.
    """
    path = Path(text)
    data = read_toml(path, _KIND) if text.endswith(".toml") else {"classes": text}
    file = validated(_File, data, path, _KIND)
    ids = {_plain(name): number for number, name in enumerate(names)}
    asked = {_plain(own): _place(other, ids, text) for own, other in file.map.items()}
    strangers = [own for own in file.map if _plain(own) not in map(_plain, file.classes)]
    if strangers:
        raise CardError(f"{_KIND} {text}: the network has no class {strangers[0]!r}; it has {', '.join(file.classes)}")
    found = tuple((own, asked.get(_plain(own), ids.get(_plain(own)))) for own in file.classes)
    if all(place is None for _, place in found):
        raise CardError(f"{_KIND} {text}: no class of the network is one of {', '.join(names)}; write a [map]")
    return found


def _place(name: str, ids: Mapping[str, int], text: str) -> int | None:
    if name != NONE and _plain(name) not in ids:
        raise CardError(f"{_KIND} {text}: the data set has no class {name!r}; it has {', '.join(ids)}, or write {NONE}")
    return ids.get(_plain(name))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
