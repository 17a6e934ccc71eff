"""Finds where a data set lies: what the user said, SEGBENCH_DATA, or the config file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segbench.cards.datasets import DatasetCard
from segbench.errors import DataError

VARIABLE = "SEGBENCH_DATA"
"""Names a data set's folder, or the folder that holds several under their usual names."""


@dataclass(frozen=True)
class Place:
    """A folder where data sets are looked for, and who named it."""

    source: str
    folder: Path


def config_file() -> Path:
    """`segbench/config.toml` in the user's configuration folder; its table `[data]` has `root` and data set names."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "segbench" / "config.toml"


def places(card: DatasetCard, root: str | os.PathLike[str] | None = None) -> list[Place]:
    """Where the data set is looked for, the most explicit first; a given root excludes the others.

    Raises:
        DataError: a config file that is not TOML or whose `[data]` is no table of texts.
    """
    if root is not None:
        return [Place("the given root", Path(root).expanduser())]
    if card.files is not None:
        return [Place("the card", Path(card.files.root))]
    found = []
    if os.environ.get(VARIABLE):
        found.append(Place(VARIABLE, Path(os.environ[VARIABLE]).expanduser()))
    table = _config_table()
    for key in (card.name, "root"):
        if key in table:
            found.append(Place(f"{config_file()} ([data] {key})", Path(table[key]).expanduser()))
    return found


def find_root(card: DatasetCard, root: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the data set.

    Each place is tried as the data set's own folder, then for a subfolder of a usual name (`CamVid`, `camvid`). A
    user's card says its folder itself; a given root takes its place.

    Raises:
        DataError: it is nowhere; the message says where it was looked for, what to download and the layout expected.
    """
    if card.files is not None:
        return _of_card(card, Path(root or card.files.root).expanduser())
    looked = places(card, root)
    for place in looked:
        for folder in _candidates(card, place.folder):
            if is_root(card, folder):
                return folder
    raise DataError(_not_found(card, looked))


def is_root(card: DatasetCard, folder: Path) -> bool:
    """Whether something of one of the data set's layouts lies in the folder."""
    return any(next(folder.glob(marker), None) is not None for marker in card.markers)


def _of_card(card: DatasetCard, folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(
            f"{card.title}: {folder} is not a folder; give --data-root DIR, or say [files] root in its card"
        )
    return folder


def _candidates(card: DatasetCard, folder: Path) -> Iterator[Path]:
    yield folder
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
    yield from (path for path in inside if _plain(path.name) in card.folders)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def _not_found(card: DatasetCard, looked: list[Place]) -> str:
    if not looked:
        start = f"no place for {card.title} is known; give --data-root DIR, set {VARIABLE}, or write {config_file()}"
    else:
        where = " and ".join(f"{place.folder} ({place.source}{_why(place.folder)})" for place in looked)
        start = f"{card.title} was not found; looked in {where}"
    layout = "\n".join(f"  {line}" for line in card.layout.splitlines())
    return f"{start}\nDownload: {card.download}\nHome: {card.home}\nLayout expected below the root:\n{layout}"


def _why(folder: Path) -> str:
    if not folder.is_dir():
        return "; there is no such folder"
    return "" if os.access(folder, os.R_OK | os.X_OK) else "; it may not be read"


def _config_table() -> dict[str, str]:
    path = config_file()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("data", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"the config file {path} cannot be read: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise DataError(f'the config file {path}: [data] must hold folders, like camvid = "/data/CamVid"')
    return table
