"""The catalogue of data sets, readable without torch: the built-in ones, one TOML card each, and users' own cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from segbench.cards.colours import Colour
from segbench.cards.dataset_card import IGNORE, TARGET, Crops, DatasetCard, Option
from segbench.cards.validation import read_toml, validated
from segbench.errors import CardError, UnknownName, UserError
from segbench.records.dataset_spec import DatasetSpec, dataset_name

__all__ = [
    "ALIASES",
    "DATASETS",
    "IGNORE",
    "Colour",
    "Crops",
    "DatasetCard",
    "Option",
    "dataset_card",
    "dataset_name",
    "read_dataset_spec",
    "settled_spec",
]

_FOLDER = Path(__file__).resolve().parent / "data"
_FIRST = "synthetic"
_KIND = "data set card"


class _Catalogue(Mapping[str, DatasetCard]):
    """The built-in data sets by name, the drawn one first; a card is read when it is asked for."""

    def __getitem__(self, name: str) -> DatasetCard:
        if name not in _names():
            raise KeyError(name)
        return _built_in(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


DATASETS: Mapping[str, DatasetCard] = _Catalogue()

ALIASES = {"pascal-context": "pascal-context-59", "pascal_context": "pascal-context-59"}
"""Other names; 59 classes is what the papers mean unless they say 60."""


def dataset_card(spec: str) -> DatasetCard:
    """The card of a data set, by its name or its file; of the options behind a colon, `target` leaves two classes.

    Raises:
        UnknownName: no such data set; near names are suggested.
        CardError: a user's card that cannot be read or does not validate.
        UserError: options that cannot be read.
    """
    card, options = read_dataset_spec(spec)
    return card.against_rest(options[TARGET]) if TARGET in options else card


def read_dataset_spec(spec: str) -> tuple[DatasetCard, dict[str, str]]:
    """`"camvid:grouping=strict"` as the card of CamVid and `{"grouping": "strict"}`, options checked.

    Raises:
        UnknownName: no such data set, option or value.
        CardError: a user's card that cannot be read or does not validate.
        UserError: an option that is not of the form name=value.
    """
    parsed = DatasetSpec.parse(spec)
    card = _users(parsed.card) if parsed.card else _named(parsed.name)
    options: dict[str, str] = {}
    for item in filter(None, parsed.options.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"{item!r} in {parsed.published!r} is not an option; write {card.name}:option=value")
        options[key.strip()] = value.strip()
    card.settle(options)
    return card, options


def settled_spec(spec: str) -> str:
    """The data set as a child receives it: a user's card by name, content and absolute path; other names as they are.

    Raises:
        UserError: as `read_dataset_spec`.
    """
    card, _ = read_dataset_spec(spec)
    parsed = DatasetSpec.parse(spec)
    if parsed.card is None:
        return spec
    return str(replace(parsed, name=card.name, card=_absolute(parsed.card), digest=card.hash()))


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    """Raises `CardError` where the folder of cards is missing, which would look like an empty catalogue."""
    names = sorted((path.stem for path in _FOLDER.glob("*.toml")), key=lambda name: (name != _FIRST, name))
    if not names:
        raise CardError(f"the catalogue of data sets is missing in {_FOLDER}; install segbench again")
    return tuple(names)


@cache
def _built_in(name: str) -> DatasetCard:
    path = _FOLDER / f"{name}.toml"
    return validated(DatasetCard, read_toml(path, _KIND), path, _KIND)


def _named(name: str) -> DatasetCard:
    name = ALIASES.get(name, name)
    if name not in DATASETS:
        raise UnknownName("data set", name, DATASETS, "or give a card of your own: mine.toml")
    return DATASETS[name]


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def _users(path: Path) -> DatasetCard:
    """A user's card; its name is its file's where it has none, its root absolute.

    Raises:
        CardError: unreadable, not valid, or under the name of a built-in data set.
    """
    path = _absolute(path)
    card = validated(DatasetCard, {"name": path.stem, **read_toml(path, _KIND)}, path, _KIND)
    if card.name in DATASETS or card.name in ALIASES:
        raise CardError(f"{_KIND} {path}: {card.name!r} is a built-in data set; give yours another name")
    if card.files is None:
        raise CardError(f"{_KIND} {path}: readers belong to the built-in data sets; write a table [files] instead")
    root = path.parent / Path(card.files.root).expanduser()
    return card.model_copy(
        update={"title": card.title or card.name, "files": card.files.model_copy(update={"root": str(root)})}
    )
