"""The points of a trajectory's curves, read out of a ledger's entry, and which of them are Pareto-optimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

TIME, STEPS, RULE = "time", "steps", "rule"
"""The knobs: a shorter way at the training's step length, the whole way in other steps, a rule for each image."""


@dataclass(frozen=True)
class Point:
    """One way to end, with everything measured there.

    Attributes:
        knob: of `TIME`, `STEPS` and `RULE`.
        t_end: the end time, or the rule's text.
        steps: of the fixed grid; None for adaptive solvers and exits.
        rows: by quantity.
    """

    knob: str
    t_end: float | str
    steps: int | None
    rows: Mapping[str, Measurement]

    @property
    def label(self) -> str:
        """`t = 0.5`, `2 steps` or `change<0.05`."""
        if self.knob == RULE:
            return str(self.t_end)
        return f"{self.steps} step{'s' if self.steps != 1 else ''}" if self.knob == STEPS else f"t = {self.t_end:g}"

    def value(self, quantity: str) -> float | None:
        row = self.rows.get(quantity)
        return row.value if row else None

    def interval(self, quantity: str) -> tuple[float, float] | None:
        """The 95 % interval, where there is one."""
        row = self.rows.get(quantity)
        if row is None or row.spread_low is None or row.spread_high is None:
            return None
        return row.spread_low, row.spread_high

    def detail(self, quantity: str, name: str) -> Json:
        row = self.rows.get(quantity)
        return row.detail.get(name) if row else None


def points_of(entry: Entry) -> list[Point]:
    """Every end that has a score, in the order measured."""
    groups: dict[tuple[Json, Json], dict[str, Measurement]] = {}
    for row in entry.measurements:
        if "t_end" in row.factors:
            groups.setdefault((row.factors["t_end"], row.factors.get("steps")), {})[row.quantity] = row
    return [Point(_knob(rows["miou"]), *end, rows) for end, rows in groups.items() if "miou" in rows]


def _knob(row: Measurement) -> str:
    return RULE if "rule" in row.detail else str(row.detail.get("knob", TIME))


def is_oracle(point: Point) -> bool:
    """Whether the point needs the truth to be reached: a bound, never a choice."""
    return point.knob == RULE and str(point.t_end).startswith("oracle")


def whole(points: Sequence[Point]) -> Point | None:
    """The network's own end: the one from which nothing differs."""
    return next((point for point in points if point.knob == TIME and point.value("pixels_changed") == 0.0), None)


def half(points: Sequence[Point]) -> Point | None:
    """The earlier end time whose evaluations are nearest to half of the whole solve's; the cheaper of two as near."""
    last = whole(points)
    total = (last.value("nfe_forward") if last else None) or 0.0
    found = [(n, p) for p in points if p.knob == TIME and 0 < (n := p.value("nfe_forward") or 0.0) < total]
    return min(found, key=lambda pair: (abs(pair[0] - total / 2), pair[0]), default=(0.0, None))[1]


def pareto_optimal(points: Sequence[Point], cost: str) -> list[Point]:
    """The Pareto front, cheapest first: no other point is at least as cheap and at least as good, and better in one.

    Args:
        cost: `nfe_forward`, `macs` or `latency_s`; points without it take no part, nor do oracles.
    """
    known = [
        (price, accuracy, point)
        for point in points
        if not is_oracle(point)
        and (price := point.value(cost)) is not None
        and (accuracy := point.value("miou")) is not None
    ]

    def dominated(price: float, accuracy: float) -> bool:
        return any(p <= price and w >= accuracy and (p, w) != (price, accuracy) for p, w, _ in known)

    return [
        point for price, accuracy, point in sorted(known, key=lambda item: item[0]) if not dominated(price, accuracy)
    ]


def labels_of(entries: Sequence[Entry]) -> list[str]:
    """What to call each trajectory: network and data set, and where that names several the size and the images too."""
    short = [f"{entry.model}, {_data(entry)} {entry.case.split or 'val'}" for entry in entries]
    return [
        label if short.count(label) == 1 else f"{label}, {entry.case.width}x{entry.case.height}{_images(entry)}"
        for label, entry in zip(short, entries, strict=True)
    ]


def _data(entry: Entry) -> str:
    return (entry.case.dataset or "synthetic").partition(":")[0]


def _images(entry: Entry) -> str:
    count = next((found for point in points_of(entry) if (found := point.detail("miou", "images"))), None)
    return f", {count} images" if count else ""
