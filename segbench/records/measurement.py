"""A measurement: one quantity's raw value, how it was taken, and what came of the attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

from pydantic import ConfigDict

from segbench.records.case import Json
from segbench.records.quantities import present_name, quantity
from segbench.records.shapes import AS_RECORDED

METHODS = ("counted", "measured:host", "measured:cuda", "measured:nvml", "predicted", "simulated", "published")
OUTCOMES = ("ok", "does_not_fit", "unsupported", "timed_out", "crashed", "failed")
ANSWERS = ("ok", "does_not_fit", "unsupported")
"""Outcomes that answer the question; the others are failures of the cell (exit code 1)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a report.

    Attributes:
        quantity: a name from `QUANTITIES`, which fixes the unit.
        value: the raw value (the median where there are samples); None with a `cause` where it could not be read.
        method: how it was taken, one of `METHODS`; origins never mix.
        mode: `train` or `infer` where the quantity has one.
        samples: every sample in the order taken, warm-ups not included; none is dropped.
        warmup: the samples taken before the steady state.
        spread_low, spread_high: 95 % confidence interval of the median.
        outcome, cause: one of `OUTCOMES`, and why.
        factors: columns in which this row differs from its case (`t_end`, `steps`, `batch_size`, ...).
        detail: whatever explains the value: a breakdown, per-class figures, notes.
    """

    quantity: str
    value: float | int | None
    method: str
    mode: str | None = None
    samples: tuple[float, ...] = ()
    warmup: tuple[float, ...] = ()
    spread_low: float | None = None
    spread_high: float | None = None
    outcome: str = "ok"
    cause: str | None = None
    factors: Mapping[str, Json] = field(default_factory=dict)
    detail: Mapping[str, Json] = field(default_factory=dict)

    __pydantic_config__: ClassVar[ConfigDict] = AS_RECORDED

    def __post_init__(self) -> None:
        quantity(self.quantity)
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is not one of {METHODS}")
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r} is not one of {OUTCOMES}")
        if self.value is None and self.cause is None:
            raise ValueError(f"{self.quantity}: a missing value needs a cause")

    @property
    def unit(self) -> str:
        return quantity(self.quantity).unit

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Measurement:
        """Inverse of `to_json`; fields a newer version added are ignored, renamed quantities have today's name."""
        known = {item.name for item in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        values["quantity"] = present_name(data["quantity"], data.get("mode"))
        for name in ("samples", "warmup"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
