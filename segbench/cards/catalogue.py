"""The catalogue: the folder of model cards that come with segbench, and the named sets among them."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from segbench.errors import CardError

_SETS_FILE = "sets.toml"


def models_folder() -> Path:
    """The folder of cards: `models/` of a checkout, or `_models/` of an installed wheel.

    Plain path arithmetic, because `importlib.resources` on a mapped folder fails in editable installs.

    Raises:
        CardError: neither folder exists (a missing folder would glob to an empty list).
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_models", package.parent / "models"):
        if (folder / _SETS_FILE).is_file():
            return folder
    raise CardError(f"the catalogue of models is missing beside {package}; install segbench again")


def card_names() -> list[str]:
    """Every card of the catalogue, sorted."""
    return sorted(path.stem for path in models_folder().glob("*.toml") if path.name != _SETS_FILE)


@lru_cache(maxsize=1)
def model_sets() -> dict[str, list[str]]:
    """The named sets: `table2` -> its cards in the paper's order; and `all`."""
    data = tomllib.loads((models_folder() / _SETS_FILE).read_text(encoding="utf-8"))
    return {**{name: list(members) for name, members in data.items()}, "all": card_names()}
