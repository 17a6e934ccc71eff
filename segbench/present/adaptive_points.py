"""The ways to run an adaptive network, read out of a ledger's entry, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from segbench.records.case import Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

POLICY, FIXED, ORACLE, PERMUTED = "policy", "fixed", "oracle", "permuted"
"""Kinds: the network deciding; stopped at a stage for all; deciding by the truth; given other images' decisions."""

Estimate = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Way:
    """One way to run a network.

    Attributes:
        kind: of those above.
        name: `confidence>0.9`, `stage=2`, `oracle`, `permuted confidence>0.9`.
        rows: by quantity.
        times: `latency_s` by images at once.
    """

    kind: str
    name: str
    rows: dict[str, Measurement] = field(default_factory=dict)
    times: dict[int, Measurement] = field(default_factory=dict)

    def value(self, quantity: str) -> float | None:
        row = self.rows.get(quantity)
        return row.value if row else None

    def detail(self, quantity: str, name: str) -> Json:
        row = self.rows.get(quantity)
        return row.detail.get(name) if row else None

    @property
    def miou(self) -> float:
        return self.rows["miou"].value or 0.0

    @property
    def macs(self) -> float | None:
        """Mean over images."""
        return self.value("macs")

    def seconds(self, batch: int = 1) -> float | None:
        """Mean over images, of which each was timed once."""
        row = self.times.get(batch)
        return row.detail.get("mean") if row else None

    @property
    def is_static(self) -> bool:
        """Whether it is all that a network can do."""
        return bool(self.detail("miou", "static"))


def ways_of(entry: Entry) -> list[Way]:
    """Every way that has a score, in the order measured."""
    found: dict[str, Way] = {}
    for row in entry.measurements:
        if row.quantity == "miou" and "kind" in row.detail:
            found[row.factors["policy"]] = Way(row.detail["kind"], row.factors["policy"])
    for row in entry.measurements:
        way = found.get(row.factors.get("policy") or "")
        if way and row.quantity == "latency_s":
            way.times[row.factors["batch_size"]] = row
        elif way:
            way.rows.setdefault(row.quantity, row)
    return list(found.values())


def whole_of(ways: Sequence[Way]) -> Way | None:
    """The network with all its stages: the last fixed one."""
    return next((way for way in reversed(ways) if way.kind == FIXED), None)


@dataclass(frozen=True)
class ShownVerdict:
    """What a method's decisions earn, on the images on which its threshold was not chosen.

    Attributes:
        kind: `time`, `operations` or `nothing`.
        policy: at the chosen threshold; None where no threshold kept within a point and saved operations.
        images: judged on.
        simulated: why there is no time; None where there is.
        against: control -> difference in mIoU.
        macs_saved, time_saved, drop: with their intervals.
    """

    kind: str
    policy: str | None
    images: int
    simulated: str | None
    against: Mapping[str, Estimate]
    macs_saved: Estimate
    time_saved: Estimate | None
    drop: Estimate | None


def verdict_of(entry: Entry) -> ShownVerdict | None:
    """The verdict on an adaptive network; None of static ones, and where there were too few images."""
    rows = {
        row.quantity: row for row in entry.measurements if row.quantity in ("macs_saved", "time_saved", "miou_drop")
    }
    judged = rows.get("macs_saved")
    if judged is None or judged.value is None:
        return None
    against = {name: (item["value"], item["low"], item["high"]) for name, item in judged.detail["against"].items()}
    macs_saved = _interval(judged)
    assert macs_saved is not None
    return ShownVerdict(
        judged.detail["verdict"],
        judged.factors["policy"],
        judged.detail["images"],
        judged.detail["simulated"],
        against,
        macs_saved,
        _interval(rows.get("time_saved")),
        _interval(rows.get("miou_drop")),
    )


def cause_of(entry: Entry, quantity: str) -> str | None:
    """Why the quantity has no value: of `latency_s`, no time; of `macs_saved`, no verdict. None where it has one."""
    rows = (row for row in entry.measurements if row.quantity == quantity and row.value is None)
    return next((row.cause for row in rows), None)


def shift_of(entry: Entry) -> Estimate | None:
    """What half a block or region of shift changes in mIoU; None for units without a grid."""
    return next((_interval(row) for row in entry.measurements if row.quantity == "miou_difference"), None)


def _interval(row: Measurement | None) -> Estimate | None:
    if row is None or row.value is None:
        return None
    return row.value, row.spread_low or 0.0, row.spread_high or 0.0


def is_dominated(way: Way, others: Sequence[Way], cost: Callable[[Way], float | None]) -> bool:
    """Whether another way is at least as cheap and as accurate, and better in one of both."""
    price = cost(way)
    assert price is not None
    return any(
        (other_price := cost(other)) is not None
        and other_price <= price
        and other.miou >= way.miou
        and (other_price, other.miou) != (price, way.miou)
        for other in others
    )
