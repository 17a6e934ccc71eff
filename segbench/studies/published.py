"""Published numbers in raw units."""

from __future__ import annotations

from segbench.cards.card import ModelCard, Reference
from segbench.errors import CardError
from segbench.present.amounts import as_published
from segbench.present.table import Cell
from segbench.units import GB, GIB, MB, MIB

_FACTORS = {
    "count": 1.0,
    "million": 1e6,
    "byte": 1.0,
    "GB": float(GB),
    "GiB": float(GIB),
    "MB": float(MB),
    "MiB": float(MIB),
    "second": 1.0,
    "millisecond": 1e-3,
    "percent": 1e-2,
    "fraction": 1.0,
}


def raw_value(reference: Reference) -> float:
    """A reference's value in bytes, seconds, counts or fractions.

    Raises:
        CardError: a unit nobody knows.
    """
    if reference.unit not in _FACTORS:
        raise CardError(f"a reference has the unit {reference.unit!r}; known: {', '.join(_FACTORS)}")
    return reference.value * _FACTORS[reference.unit]


def published_reference(card: ModelCard, quantity: str, dataset: str | None = None) -> Reference | None:
    """The card's number for a quantity, of one data set where that decides."""
    found = card.references_for(quantity)
    return next((item for item in found if dataset is None or item.dataset == dataset), None)


def published_cell(reference: Reference, ratio: float | None) -> Cell:
    """As a table shows it: the raw value, drawn as it was printed.

    Args:
        ratio: to the reference model's published number.
    """
    return Cell(raw_value(reference), label=as_published(reference.value, reference.unit), ratio=ratio)


def in_printed_unit(value: float, like: Reference | None) -> str:
    """A raw value in the unit in which the paper prints the quantity, to three digits or in whole images."""
    if like is None:
        return f"{value:.4g}"
    scaled = value / _FACTORS[like.unit]
    digits = f"{scaled:.0f}" if like.unit == "count" or scaled >= 100 else f"{scaled:.3g}"
    return as_published(float(digits), like.unit)
