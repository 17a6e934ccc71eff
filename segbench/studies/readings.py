"""Finds in a ledger the number that belongs in a cell: under the published conditions, as well taken as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.present.values import measured
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions

PREFERENCE = ("measured:cuda", "measured:nvml", "counted", "simulated", "predicted", "measured:host")
"""Of methods; a prediction of CUDA's memory comes before what a CPU took, which is another thing."""


@dataclass(frozen=True)
class Reading:
    """A number of ours and where it stands."""

    value: float
    measurement: Measurement
    entry: Entry

    @property
    def method(self) -> str:
        return self.measurement.method

    @property
    def device_name(self) -> str:
        return self.entry.environment.device_name if self.entry.environment else "an unknown device"

    @property
    def conditions(self) -> str:
        """How it was found, in one phrase."""
        case, item = self.entry.case, self.measurement
        batch = case.infer_batch if (item.mode or case.modes[0]) == "infer" else case.batch_size
        place = "" if item.method in ("counted", "predicted") else f" on {self.device_name}"
        spread = "" if item.spread_low is None else f", 95 % {item.spread_low:.4g} to {item.spread_high:.4g}"
        size = f"{case.width}x{case.height}"
        images = f", {case.dataset or 'random'} images" if item.method.startswith("measured") else ""
        return f"{item.quantity}, {item.method}{place}, {size}, batch {batch}{images}, {case.precision}{spread}"


def reading(
    entries: Sequence[Entry], model: str, quantity: str, conditions: Mapping[str, Json] | None = None
) -> Reading | None:
    """The best number of a network as its card builds it: by method, then the newest; None where there is none."""
    usual = {**_ASSUMED, **assumed_throughout(entries)}
    found = [
        Reading(float(item.value), item, entry)
        for entry in entries
        if entry.model == model and _could_answer(entry, quantity, conditions or {}, usual)
        if (item := measured(entry, quantity)) is not None and item.value is not None
    ]
    return max(found, key=lambda item: (-PREFERENCE.index(item.method), item.entry.finished), default=None)


def absence(entries: Sequence[Entry], model: str, quantity: str, conditions: Mapping[str, Json]) -> str | None:
    """Why a number is missing, where a cell that was to give it says so."""
    usual = {**_ASSUMED, **assumed_throughout(entries)}
    for entry in reversed(entries):
        if entry.model != model or not _could_answer(entry, quantity, conditions, usual):
            continue
        item = measured(entry, quantity)
        if item is not None and item.value is None:
            return f"{item.outcome}: {item.cause}" if item.outcome != "ok" else str(item.cause)
        if item is None and entry.outcome != "ok":
            return f"{entry.outcome}: {entry.cause}"
    return None


def is_whole_network(entry: Entry, quantity: str) -> bool:
    """Whether a number of this quantity in this entry is the whole network's."""
    return quantity in entry.case.kind.answers


def _could_answer(entry: Entry, quantity: str, conditions: Mapping[str, Json], usual: Mapping[str, Json]) -> bool:
    return is_whole_network(entry, quantity) and _meets(entry.case, conditions, quantity, usual)


_ASSUMED: dict[str, Json] = {
    "cublas_bytes": None,
    "workspaces": "none",
    "attention": None,
    "strategy": "single",
    "ranks": 1,
    "assume_torch": None,
}
"""Options of a prediction -> what they are unless the user says otherwise."""
_OF_ANOTHER_TIME = ("assume_torch", "workspaces")
"""Of these, what one assumes of all predictions of a ledger at once, to set them beside old numbers."""
_WHATEVER_IT_TOOK = ("parameters", "macs", "miou")
"""Quantities that switches, optimizers and assumptions do not change, or that are about the result alone."""


def assumed_throughout(entries: Sequence[Entry]) -> dict[str, Json]:
    """The release of torch and the workspaces that every prediction of a ledger assumed, where they are not the usual.

    Empty where predictions differ in them: then those that assumed nothing count.
    """
    options = [entry.case.options for entry in entries if isinstance(entry.case.options, Assumptions)]
    said = {tuple(getattr(item, name) for name in _OF_ANOTHER_TIME) for item in options}
    found = dict(zip(_OF_ANOTHER_TIME, said.pop(), strict=True)) if len(said) == 1 else {}
    return {name: value for name, value in found.items() if value != _ASSUMED[name]}


def _meets(case: Case, conditions: Mapping[str, Json], quantity: str, usual: Mapping[str, Json]) -> bool:
    modes = [mode for mode in ("train", "infer") if quantity.startswith(mode)]
    return (
        not case.arguments
        and all(mode in case.modes for mode in modes)
        and all(_field(case, name, value) == value for name, value in conditions.items())
        and (quantity in _WHATEVER_IT_TOOK or _is_usual(case, usual))
    )


def _field(case: Case, name: str, usual: Json) -> Json:
    """Of the case, or of its options, where what is not said is the usual."""
    if hasattr(case, name):
        return getattr(case, name)
    said = getattr(case.options, name, None)
    return usual if said is None else said


def _is_usual(case: Case, usual: Mapping[str, Json]) -> bool:
    """Whether nothing was switched on or assumed, and the optimizer is the model card's, as in the paper's rows."""
    return (
        not case.switches
        and all(getattr(case.options, name, value) == value for name, value in usual.items())
        and case.optimizer in (None, _optimizer_of(case.model))
    )


@lru_cache
def _optimizer_of(model: str) -> str | None:
    try:
        return find_model(model).card.recipe.optimizer
    except UserError:  # a file that is no longer there
        return None
