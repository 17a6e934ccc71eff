"""Finds in a ledger the number that belongs in a cell: under the published conditions, as well taken as possible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from segbench.cards.model import find_model
from segbench.errors import UserError
from segbench.present.values import measured
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions, Shared

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


class Readings:
    """What the entries of a ledger answer, by network.

    Predictions count that assume what most networks of these entries are predicted under, see `assumed_throughout`;
    what is measured counts whatever predictions assume.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._of: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._of[entry.model].append(entry)
        self._usual = {**_USUAL, **_most_assumed(entries)}

    def best(self, model: str, quantity: str, conditions: Mapping[str, Json] | None = None) -> Reading | None:
        """The best number of a network as its card builds it: by method, then the newest; None where there is none."""
        found = [
            Reading(float(item.value), item, entry)
            for entry in self._could_answer(model, quantity, conditions or {})
            if (item := measured(entry, quantity)) is not None and item.value is not None
        ]
        return max(found, key=lambda item: (-PREFERENCE.index(item.method), item.entry.finished), default=None)

    def absence(self, model: str, quantity: str, conditions: Mapping[str, Json]) -> str | None:
        """Why a number is missing, where a cell that was to give it says so."""
        for entry in reversed(self._could_answer(model, quantity, conditions)):
            item = measured(entry, quantity)
            if item is not None and item.value is None:
                return f"{item.outcome}: {item.cause}" if item.outcome != "ok" else str(item.cause)
            if item is None and entry.outcome != "ok":
                return f"{entry.outcome}: {entry.cause}"
        return None

    def _could_answer(self, model: str, quantity: str, conditions: Mapping[str, Json]) -> list[Entry]:
        return [
            entry
            for entry in self._of.get(model, ())
            if is_whole_network(entry, quantity) and _meets(entry.case, conditions, quantity, self._usual)
        ]


def is_whole_network(entry: Entry, quantity: str) -> bool:
    """Whether the quantity in this entry is the whole network's."""
    return quantity in entry.case.kind.answers


_USUAL: dict[str, Json] = {"cublas_bytes": None, "attention": None, "strategy": "single", "ranks": 1}
"""Options of a prediction -> what they are in a published row's place."""
_OF_ANOTHER_TIME = ("assume_torch", "workspaces")
"""Of the others, what one assumes of all predictions at once, to set them beside old numbers."""
_ASSUMED = set(Assumptions.model_fields) - set(Shared.model_fields)
"""Options that say nothing of a measurement."""
_WHATEVER_IT_TOOK = ("parameters", "macs", "miou")
"""Quantities that switches, optimizers and assumptions do not change, or that are about the result alone."""


def assumed_throughout(entries: Sequence[Entry]) -> dict[str, Json]:
    """The release of torch and the workspaces that count of a ledger's predictions, where they are not the usual.

    Those under which most networks are predicted; of equal ones the last.
    """
    usual = Assumptions()
    return {name: value for name, value in _most_assumed(entries).items() if value != getattr(usual, name)}


def predicted_under(entries: Sequence[Entry], assumed: Mapping[str, Json]) -> list[Entry]:
    """Without the predictions that assume another release of torch or other workspaces than a command asked for."""
    usual = Assumptions()
    wanted = tuple(assumed.get(name, getattr(usual, name)) for name in _OF_ANOTHER_TIME)
    return [entry for entry in entries if not entry.case.predicts or _times(entry.case) == wanted]


def _most_assumed(entries: Sequence[Entry]) -> dict[str, Json]:
    groups: dict[tuple[Json, ...], list[Entry]] = {}
    for entry in entries:
        if entry.case.predicts:
            groups.setdefault(_times(entry.case), []).append(entry)

    def size(times: tuple[Json, ...]) -> tuple[int, str]:
        group = groups[times]
        return len({(entry.model, entry.case.task) for entry in group}), max(entry.finished for entry in group)

    if not groups:
        return {}
    most = max(groups, key=size)
    return dict(zip(_OF_ANOTHER_TIME, most, strict=True))


def _times(case: Case) -> tuple[Json, ...]:
    return tuple(getattr(case.options, name) for name in _OF_ANOTHER_TIME)


def _meets(case: Case, conditions: Mapping[str, Json], quantity: str, usual: Mapping[str, Json]) -> bool:
    modes = [mode for mode in ("train", "infer") if quantity.startswith(mode)]
    return (
        not case.arguments
        and all(mode in case.modes for mode in modes)
        and all(_field(case, name, value) == value for name, value in conditions.items())
        and (quantity in _WHATEVER_IT_TOOK or _is_usual(case, usual))
    )


def _field(case: Case, name: str, usual: Json) -> Json:
    """Of the case, or of its options, where what is not said is the usual, and what a measurement assumed too."""
    if hasattr(case, name):
        return getattr(case, name)
    if name in _ASSUMED and not case.predicts:
        return usual
    said = getattr(case.options, name, None)
    return usual if said is None else said


def _is_usual(case: Case, usual: Mapping[str, Json]) -> bool:
    """Whether nothing was switched on or assumed, and the optimizer is the model card's, as in the paper's rows."""
    return (
        not case.switches
        and all(_option(case, name, value) == value for name, value in usual.items())
        and case.optimizer in (None, _optimizer_of(case.model))
    )


def _option(case: Case, name: str, usual: Json) -> Json:
    """Of a prediction, None included; the usual where the case has none, or only measures."""
    return usual if name in _ASSUMED and not case.predicts else getattr(case.options, name, usual)


@lru_cache
def _optimizer_of(model: str) -> str | None:
    try:
        return find_model(model).card.recipe.optimizer
    except UserError:  # a file that is no longer there
        return None
