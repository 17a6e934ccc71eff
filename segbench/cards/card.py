"""The schema of a model card: a TOML file that says how a network is built, trained and what was published of it."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from segbench.cards.source_code import source_text
from segbench.errors import CardError
from segbench.records.quantities import QUANTITIES


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSize(_Strict):
    """The size the network is usually run at, in pixels."""

    width: int = Field(480, ge=1)
    height: int = Field(360, ge=1)


class Recipe(_Strict):
    """How the network is trained; sources stand in the card's note."""

    optimizer: Literal["sgd", "adamw", "muon"] = "sgd"
    lr: float = Field(0.01, gt=0)
    momentum: float | None = Field(None, ge=0, lt=1)
    """Of SGD and Muon; None for what each usually has, 0.9 and 0.95."""
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["poly", "constant"] = "poly"
    power: float = Field(0.9, gt=0)
    batch_size: int = Field(16, ge=1)
    epochs: int | None = Field(None, ge=1)
    warmup_steps: int = Field(0, ge=0)
    clip: float | None = Field(None, gt=0)
    ema: float | None = Field(None, gt=0, lt=1)
    supervision: Literal["end", "all", "end+half", "end+random", "end-then-all"] = "end"
    class_weights: Literal["none", "median-frequency", "sqrt-median-frequency"] = "none"


class Reference(_Strict):
    """A published number with the conditions it was published under; never compared silently with others.

    `quantity` is a name of `QUANTITIES` or a family of them (`train_peak_memory`: the paper does not say which).
    """

    quantity: str
    value: float
    unit: str
    source: str
    dataset: str | None = None
    device: str | None = None
    batch_size: int | None = None
    width: int | None = None
    height: int | None = None
    note: str | None = None

    @field_validator("quantity")
    @classmethod
    def _is_known(cls, name: str) -> str:
        families = {row.family for row in QUANTITIES.values()} - {""}
        if name not in QUANTITIES and name not in families:
            raise ValueError(f"{name!r} is neither a quantity nor a family ({', '.join(sorted(families))})")
        return name

    @property
    def conditions(self) -> str:
        """The conditions in one phrase: `NVIDIA Tesla V100 32GB, camvid, 480x360, batch 24`."""
        parts = [self.device, self.dataset, f"{self.width}x{self.height}" if self.width else None]
        parts += [f"batch {self.batch_size}" if self.batch_size else None, self.note]
        return ", ".join(part for part in parts if part)


class Weights(_Strict):
    """Trained weights: a safetensors file beside the card, with the hash it must have."""

    path: str
    sha256: str
    command: str | None = None
    """The command that made them."""


class ModelCard(_Strict):
    """One network of the catalogue.

    `builder` names a class as `package.module:Name`; it is called with `classes` and `arguments`.
    """

    title: str
    builder: str
    note: str = ""
    arguments: dict[str, Any] = {}
    input: InputSize = InputSize()
    recipe: Recipe = Recipe()
    reference: tuple[Reference, ...] = ()
    weights: Weights | None = None

    @field_validator("builder")
    @classmethod
    def _names_a_class(cls, builder: str) -> str:
        module, colon, name = builder.rpartition(":")
        if not (module and colon and name.isidentifier()):
            raise ValueError(f"{builder!r} is not of the form package.module:Class or file.py:Class")
        return builder

    def with_arguments(self, arguments: dict[str, Any]) -> ModelCard:
        """The card with some of its arguments replaced."""
        return self.model_copy(update={"arguments": {**self.arguments, **arguments}}) if arguments else self

    def hash(self) -> str:
        """Changes when anything that decides a measurement does: builder, arguments, recipe, and the source text the
        builder comes from (`segbench.cards.source_code`); not prose or references."""
        builder = Path(self.builder).name  # another folder is not another network
        text = self.model_dump_json(include={"arguments", "recipe"})
        return hashlib.sha256(f"{builder} {text}".encode() + source_text(self.builder)).hexdigest()[:12]

    def references_for(self, quantity_name: str) -> list[Reference]:
        """The published numbers for a quantity, by its name or by its family."""
        family = QUANTITIES[quantity_name].family
        return [item for item in self.reference if item.quantity in (quantity_name, family)]


def read_card(path: Path) -> ModelCard:
    """The card in a TOML file.

    Raises:
        CardError: unreadable, not TOML, an unknown key, or a value out of range; the sentence names the key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError(f"card {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"card {path} is not valid TOML: {error}") from error
    try:
        return ModelCard.model_validate(data)
    except ValidationError as error:
        raise CardError(f"card {path}: {_first_problem(error)}") from error


_SECTIONS: dict[str, type[_Strict]] = {
    "input": InputSize,
    "recipe": Recipe,
    "reference": Reference,
    "weights": Weights,
}


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section = _SECTIONS.get(str(first["loc"][0]), ModelCard) if len(first["loc"]) > 1 else ModelCard
        return f"unknown key {where!r}; known here: {', '.join(section.model_fields)}"
    return f"key {where!r}: {first['msg']}"
