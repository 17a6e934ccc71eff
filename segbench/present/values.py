"""What tables take out of ledger entries."""

from __future__ import annotations

from collections.abc import Mapping

from segbench.cards.card import ModelCard
from segbench.present.amounts import MISSING, as_published
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.rows import reference_for


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


def uncertainty(entry: Entry, quantity: str) -> str:
    """Half of the 95 % interval's width as `±1.2 %` of the value."""
    item = measured(entry, quantity)
    return uncertainty_of(item) if item else MISSING


def uncertainty_of(item: Measurement) -> str:
    if not item.value or item.spread_low is None or item.spread_high is None:
        return MISSING
    percent = 50 * (item.spread_high - item.spread_low) / item.value
    return f"±{percent:.2g} %" if percent < 99.5 else f"±{percent:.0f} %"


def paper(entry: Entry, quantity: str, cards: Mapping[str, ModelCard]) -> str:
    """The published number as it was printed."""
    reference = reference_for(cards[entry.model], quantity, entry.case) if entry.model in cards else None
    return as_published(reference.value, reference.unit) if reference else MISSING


def paper_conditions(entries: list[Entry], quantity: str, cards: Mapping[str, ModelCard]) -> list[str]:
    """One note with the conditions of all published numbers shown; none where there are none."""
    used = [reference_for(cards[entry.model], quantity, entry.case) for entry in entries if entry.model in cards]
    conditions = {f"{item.conditions} ({item.source})": None for item in used if item}
    return ["paper: " + "; ".join(conditions)] if conditions else []


def outcome(entry: Entry) -> str:
    return "ok" if entry.outcome == "ok" else f"{entry.outcome}: {entry.cause}"
