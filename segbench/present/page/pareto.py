"""The data of the plot of cost against accuracy: axes to choose from, and what each network has on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ParetoAxis:
    """A quantity under one set of conditions, the same for every network on it.

    Attributes:
        title: of the quantity.
        conditions: in one phrase.
        unit: as in `QUANTITIES`.
        better: `lower` or `higher`.
    """

    key: str
    title: str
    conditions: str
    unit: str
    better: str

    @property
    def label(self) -> str:
        """In one line, with the direction where it is not the usual one."""
        up = " (higher is better)" if self.better == "higher" else ""
        return f"{self.title}, {self.conditions}{up}"

    @property
    def heading(self) -> str:
        """For a column: every condition in a line of its own."""
        return "\n".join([self.title, *self.conditions.split(", ")])


@dataclass(frozen=True)
class ParetoValue:
    """One network's place on one axis; `text` is what people read, `low` and `high` its 95 % interval."""

    value: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ParetoPoint:
    """One network and its places by axis."""

    network: str
    values: Mapping[str, ParetoValue]


@dataclass(frozen=True)
class Pareto:
    """All of it; `x` and `y` are the axes shown first."""

    axes: Sequence[ParetoAxis] = ()
    spots: Sequence[ParetoPoint] = field(default=())
    x: str = ""
    y: str = ""

    def axis(self, key: str) -> ParetoAxis:
        return next(axis for axis in self.axes if axis.key == key)


def pareto_front(spots: Sequence[ParetoPoint], x: ParetoAxis, y: ParetoAxis) -> list[ParetoPoint]:
    """The Pareto-optimal networks, sorted along x; of those with both values only."""
    known = [spot for spot in spots if x.key in spot.values and y.key in spot.values]
    kept = [spot for spot in known if not any(_dominates(other, spot, x, y) for other in known)]
    return sorted(kept, key=lambda spot: spot.values[x.key].value)


def _dominates(one: ParetoPoint, other: ParetoPoint, x: ParetoAxis, y: ParetoAxis) -> bool:
    gains = [
        (1 if axis.better == "higher" else -1) * (one.values[axis.key].value - other.values[axis.key].value)
        for axis in (x, y)
    ]
    return min(gains) >= 0 and max(gains) > 0
