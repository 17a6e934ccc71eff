"""What tables take out of ledger entries."""

from __future__ import annotations

from collections.abc import Mapping

from segbench.cards.card import ModelCard
from segbench.present.formats import Value, as_printed
from segbench.present.table import Cell
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.rows import reference_for

Cards = Mapping[str, ModelCard]
"""By a network's name, for the published numbers."""


def measured(entry: Entry, quantity: str) -> Measurement | None:
    """The entry's measurement of a quantity; None where it has none."""
    return next((item for item in entry.measurements if item.quantity == quantity), None)


def value_of(entry: Entry | None, quantity: str) -> float | None:
    item = measured(entry, quantity) if entry else None
    return item.value if item else None


def detail_of(entry: Entry, quantity: str, name: str) -> float | None:
    """A number that a measurement's detail holds, such as `p90`."""
    item = measured(entry, quantity)
    return item.detail.get(name) if item else None


def uncertainty(entry: Entry, quantity: str) -> Value:
    """A value with its 95 % interval, as `spread` draws it; None where it has none."""
    item = measured(entry, quantity)
    return uncertainty_of(item) if item else None


def uncertainty_of(item: Measurement) -> Value:
    known = item.value and item.spread_low is not None and item.spread_high is not None
    return (item.value, item.spread_low, item.spread_high) if known else None


def paper(entry: Entry, quantity: str, cards: Mapping[str, ModelCard]) -> Cell:
    """The published number as it was printed."""
    reference = reference_for(cards[entry.model], quantity, entry.case) if entry.model in cards else None
    return Cell(reference.value, as_printed(reference.unit)) if reference else Cell()


def paper_conditions(entries: list[Entry], quantity: str, cards: Mapping[str, ModelCard]) -> list[str]:
    """One note with the conditions of all published numbers shown; none where there are none."""
    used = [reference_for(cards[entry.model], quantity, entry.case) for entry in entries if entry.model in cards]
    conditions = {f"{item.conditions} ({item.source})": None for item in used if item}
    return ["paper: " + "; ".join(conditions)] if conditions else []


def outcome(entry: Entry) -> str:
    return "ok" if entry.outcome == "ok" else f"{entry.outcome}: {entry.cause}"
