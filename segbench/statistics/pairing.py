"""Which cell of A belongs beside which of B, by what they are compared, and what forbids it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.quantities import QUANTITIES
from segbench.statistics.comparison import Contrast, compared_value, contrast
from segbench.statistics.fairness import Unlike, conditions, factors_between, unlike

OptimizerOf = Callable[[Entry], str | None]
"""The optimizer of the network's card, where that can be found."""


@dataclass(frozen=True)
class EntryPair:
    """Two cells side by side.

    Attributes:
        compared: the conditions in which they are meant to differ; none for the same case measured twice.
        unlike: the others in which they do.
    """

    a: Entry
    b: Entry
    compared: tuple[str, ...]
    unlike: tuple[Unlike, ...]

    @property
    def refused(self) -> tuple[Unlike, ...]:
        """What makes the two incomparable."""
        return tuple(item for item in self.unlike if item.refused)

    def names(self) -> tuple[str, str]:
        """What to call the two sides: by the network, by the factor compared, or by their runs."""
        if "model" in self.compared:
            return self.a.model, self.b.model
        if not self.compared:
            return f"{self.a.model} (A)", f"{self.b.model} (B)"
        return self._described(self.a), self._described(self.b)

    def _described(self, entry: Entry) -> str:
        found = conditions(entry)
        values = (f"{name.removeprefix('argument ')} {found.get(name)}" for name in self.compared)
        return f"{entry.model} with {', '.join(values)}"

    def contrasts(self, quantities: Collection[str] = ()) -> list[Contrast]:
        """Every quantity that both have a value for, in the table's order; only those named if any are.

        Where a side has several rows of a quantity (a curve's ends), those with the same factors stand side by side.
        """
        a_name, b_name = self.names()
        telling = {*_telling(self.a), *_telling(self.b)}
        others = {_row_of(item, telling): item for item in self.b.measurements}
        found = []
        for item in self.a.measurements:
            row = _row_of(item, telling)
            if row not in others or (quantities and item.quantity not in quantities):
                continue
            where = _where(item, telling)
            a, b = compared_value(a_name + where, item), compared_value(b_name + where, others[row])
            if a is not None and b is not None:
                found.append(contrast(a, b))
        order = list(QUANTITIES)
        return sorted(found, key=lambda item: order.index(item.a.quantity))


def _telling(entry: Entry) -> set[str]:
    """Names of the factors that tell rows of one quantity apart within an entry."""
    groups: dict[tuple[str, str | None], list[Measurement]] = {}
    for item in entry.measurements:
        groups.setdefault((item.quantity, item.mode), []).append(item)
    return {
        name
        for items in groups.values()
        for name in {name for item in items for name in item.factors}
        if len({str(item.factors.get(name)) for item in items}) > 1
    }


def _row_of(item: Measurement, telling: Collection[str]) -> tuple[str, str | None, str]:
    return item.quantity, item.mode, _where(item, telling)


def _where(item: Measurement, telling: Collection[str]) -> str:
    """` at t_end 0.5, steps 2`; nothing for a row that is the only one of its quantity."""
    told = [f"{name} {item.factors[name]}" for name in sorted(telling) if name in item.factors]
    return f" at {', '.join(told)}" if told else ""


def pair_up(
    a: Sequence[Entry], b: Sequence[Entry], by: Collection[str] = (), optimizer_of: OptimizerOf | None = None
) -> list[EntryPair]:
    """For every cell of A that answered, the cell of B that is most like it; of repeated cells the last.

    Args:
        a, b: entries in the order they were written.
        by: the conditions meant to differ; without them the only one that does, or the network.
    """
    latest_a, latest_b = _latest(a), _latest(b)
    pairs = []
    for mine in latest_a:
        rivals = [other for other in latest_b if other is not mine and _same_question(mine, other)]
        found = [_pair(mine, other, by, optimizer_of or _unknown) for other in rivals]
        if found:
            pairs.append(min(found, key=lambda pair: (len(pair.refused), len(pair.compared), len(pair.unlike))))
    return pairs


def _unknown(_: Entry) -> None: ...


def _same_question(a: Entry, b: Entry) -> bool:
    return (a.case.task, a.case.modes) == (b.case.task, b.case.modes)


def _latest(entries: Sequence[Entry]) -> list[Entry]:
    """The last answer to each question on each machine."""
    found = {json.dumps(conditions(entry), sort_keys=True, default=str): entry for entry in entries if entry.answered}
    return list(found.values())


def _pair(a: Entry, b: Entry, by: Collection[str], optimizer_of: OptimizerOf) -> EntryPair:
    conditions_a, conditions_b = conditions(a, optimizer_of(a)), conditions(b, optimizer_of(b))
    compared = tuple(by) or _only_factor(conditions_a, conditions_b)
    return EntryPair(a, b, compared, tuple(unlike(conditions_a, conditions_b, compared)))


def _only_factor(a: dict[str, Json], b: dict[str, Json]) -> tuple[str, ...]:
    """The factor under comparison where the user names none; none where there are several and no network."""
    factors = factors_between(a, b)
    return tuple(factors[:1]) if len(factors) == 1 or "model" in factors else ()
