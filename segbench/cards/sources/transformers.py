"""Hugging Face transformers: a class with its default configuration, or a configuration in a folder or in the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segbench.cards.card import ModelCard
from segbench.cards.sources.library import Library
from segbench.cards.spec import ModelSpec
from segbench.errors import CardError

_CONFIGURATION = "config.json"
_NOT_OF_THE_NETWORK = ("architectures", "id2label", "label2id", "num_labels", "transformers_version", "_name_or_path")
"""Keys of a configuration's file that say nothing of what is built for a case's classes."""


class Transformers(Library):
    """A class, `transformers:SegformerForSemanticSegmentation`; a folder; `transformers:owner/name` in the cache."""

    def split(self, text: str) -> tuple[str, str]:
        """A folder by its absolute path."""
        place, name = super().split(text)
        folder = Path(name).expanduser().resolve()
        return place, str(folder) if (folder / _CONFIGURATION).is_file() or Path(name).is_absolute() else name

    def card(self, spec: ModelSpec) -> ModelCard:
        """Of a folder the configuration becomes an argument, so that another one is another network.

        Raises:
            CardError: the configuration cannot be read, or names no network.
        """
        if spec.file is None:
            return super().card(spec)
        found = _read(spec.file / _CONFIGURATION)
        card = super().card(ModelSpec(spec.source, spec.place, found["architectures"][0]))
        kept = {name: value for name, value in found.items() if name not in _NOT_OF_THE_NETWORK}
        return card.with_arguments({"configuration": kept})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["architectures"][0], str):
            return dict(found)
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    else:
        reason = "its architectures are no names"
    raise CardError(f"{path} is no configuration of a network of transformers ({reason}); give a folder with one")


TRANSFORMERS = Transformers(
    "transformers", "transformers", argument="network", example="transformers:SegformerForSemanticSegmentation"
)
