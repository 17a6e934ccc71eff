"""Networks of a library that is installed beside segbench: `smp:Unet?encoder_name=resnet34`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segbench.cards.card import ModelCard
from segbench.cards.spec import ModelSpec
from segbench.errors import CardError
from segbench.records.case import Json


@dataclass(frozen=True)
class Library:
    """A source whose names only its library knows: a child imports it, suggests near names, and lists them.

    Attributes:
        name: stands before the colon; also of the module in `segbench.libraries` and of the optional extra.
        package: what the library is called.
        argument: by which the builder takes the name.
        example: for the sentence that refuses an empty name.
        defaults: further arguments of the builder.
    """

    name: str
    package: str
    argument: str
    example: str
    defaults: Mapping[str, Json] = field(default_factory=dict)

    def claims(self, text: str) -> bool:
        return text.startswith(f"{self.name}:")

    def split(self, text: str) -> tuple[str, str]:
        name = text.removeprefix(f"{self.name}:")
        if not name:
            raise CardError(f"model {text!r} names no network of {self.package}; write for example {self.example}")
        return self.name, name

    def card(self, spec: ModelSpec) -> ModelCard:
        arguments = {self.argument: spec.name, **self.defaults}
        builder = f"segbench.libraries.{self.name}:build"
        return ModelCard(title=f"{spec.name} of {self.package}", builder=builder, arguments=arguments)

    def names(self) -> Sequence[str]:
        return ()
