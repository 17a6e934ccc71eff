"""Where networks come from, one file a source; the first that claims a name reads it.

A source is a `ModelSource` in a file of its own and a line in `SOURCES`, the most particular first.
"""

from __future__ import annotations

from segbench.cards.card import ModelCard
from segbench.cards.sources.card_file import CardFile
from segbench.cards.sources.catalogue import Catalogue
from segbench.cards.sources.mmseg import MMSEG
from segbench.cards.sources.python_file import PythonFile
from segbench.cards.sources.python_module import PythonModule
from segbench.cards.sources.smp import SMP
from segbench.cards.sources.source import ModelSource
from segbench.cards.sources.timm import TIMM
from segbench.cards.sources.torchvision import TORCHVISION
from segbench.cards.sources.transformers import TRANSFORMERS
from segbench.cards.spec import ModelSpec, split_spec
from segbench.errors import CardError

LIBRARIES = (SMP, TIMM, TORCHVISION, TRANSFORMERS, MMSEG)

SOURCES: tuple[ModelSource, ...] = (CardFile(), *LIBRARIES, PythonFile(), PythonModule(), Catalogue())


def read_spec(text: str) -> ModelSpec:
    """A network's name as the user wrote it, or as a case holds it.

    Raises:
        UserError: arguments that cannot be read, or a place that is none.
    """
    base, arguments, optimisations = split_spec(text)
    source = next(source for source in SOURCES if source.claims(base))
    place, name = source.split(base)
    return ModelSpec(source.name, place, name, arguments, optimisations)


def card_of(spec: ModelSpec) -> ModelCard:
    """The model card behind a name, with the name's arguments in place of its own.

    Raises:
        UnknownName: nothing of that name; near names are suggested.
        CardError: a file that is missing, or a card that does not validate.
    """
    card = next(source for source in SOURCES if source.name == spec.source).card(spec)
    if card.network:
        named = read_spec(card.network)
        if named.source in (CardFile.name, Catalogue.name) or named.optimisations:
            raise CardError(f"card {spec.name}: {card.network!r} is no plain network of a library or a file")
        card = card.over(card_of(named))
    return card.with_arguments(dict(spec.arguments))
