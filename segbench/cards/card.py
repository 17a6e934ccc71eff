"""The schema of a model card: a TOML file that says how a network is built, trained and what was published of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segbench.cards.source_code import source_text
from segbench.cards.validation import Strict, read_toml, validated
from segbench.records.quantities import QUANTITIES


class InputSize(Strict):
    """The size the network is usually run at, in pixels."""

    width: int = Field(480, ge=1)
    height: int = Field(360, ge=1)


class Recipe(Strict):
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


class Reference(Strict):
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


class Weights(Strict):
    """Trained weights: a safetensors file beside the card, with the hash it must have."""

    path: str
    sha256: str
    command: str | None = None
    """The command that made them."""


class ModelCard(Strict):
    """One network of the catalogue.

    `builder` names a class as `package.module:Name`; it is called with `classes` and `arguments`.

    Attributes:
        network: in a builder's place, a network of a library or file as `--model` has it: what its source says of it
            is the card's too, where the card says nothing itself.
        own_conditions: commands that measure cost take the card's own input size and batch where they are not told
            otherwise; the catalogue's networks are compared at one size and batch.
    """

    title: str
    builder: str = ""
    network: str = ""
    note: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    input: InputSize = InputSize()
    recipe: Recipe = Recipe()
    reference: tuple[Reference, ...] = ()
    weights: Weights | None = None
    own_conditions: bool = False

    @field_validator("builder")
    @classmethod
    def _names_a_class(cls, builder: str) -> str:
        module, colon, name = builder.rpartition(":")
        if not (module and colon and name.isidentifier()):
            raise ValueError(f"{builder!r} is not of the form package.module:Class or file.py:Class")
        return builder

    @model_validator(mode="after")
    def _says_what_builds_it(self) -> ModelCard:
        if bool(self.builder) == bool(self.network):
            raise ValueError('write what builds it, as in builder = "package.module:Class" or network = "smp:Unet"')
        return self

    def over(self, base: ModelCard) -> ModelCard:
        """The card of `network`, with everything that this card says instead."""
        said = {name: getattr(self, name) for name in self.model_fields_set - {"network", "arguments"}}
        return base.model_copy(update=said).with_arguments(self.arguments)

    def with_arguments(self, arguments: dict[str, Any]) -> ModelCard:
        """The card with some of its arguments replaced."""
        return self.model_copy(update={"arguments": {**self.arguments, **arguments}}) if arguments else self

    def hash(self) -> str:
        """Changes when anything that decides a measurement does: builder, arguments, recipe, and the source text the
        builder comes from (`segbench.cards.source_code`); not prose or references."""
        builder = Path(self.builder).name  # another folder is not another network
        text = self.model_dump_json(include={"arguments", "recipe"})
        described = f"{builder} {text}".encode(errors="surrogateescape")
        return hashlib.sha256(described + source_text(self.builder)).hexdigest()[:12]

    def references_for(self, quantity_name: str) -> list[Reference]:
        """The published numbers for a quantity, by its name or by its family."""
        family = QUANTITIES[quantity_name].family
        return [item for item in self.reference if item.quantity in (quantity_name, family)]


def read_card(path: Path) -> ModelCard:
    """The card in a TOML file; a Python file that it names is looked for beside it first.

    Raises:
        CardError: unreadable, not TOML, an unknown key, or a value out of range; the sentence names the key.
    """
    card: ModelCard = validated(ModelCard, read_toml(path), path)
    found = {key: _beside(path, getattr(card, key)) for key in ("builder", "network")}
    return card.model_copy(update={key: text for key, text in found.items() if text != getattr(card, key)})


def _beside(card: Path, text: str) -> str:
    """`net.py:Net` with the folder of the card, where the file lies there."""
    place, colon, name = text.partition(".py:")
    file = card.parent / f"{place}.py"
    return f"{file.resolve()}:{name}" if colon and file.is_file() else text
