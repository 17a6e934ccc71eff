"""`--fail-if`: a condition on a quantity that turns a command's exit code into 3."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from segbench.errors import UserError
from segbench.records.case import Json
from segbench.records.quantities import quantity
from segbench.units import parse_bytes

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_SHAPE = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign>>=|<=|>|<)\s*(?P<limit>[^<>=]+?)\s*")
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)")
_RELATIVE = re.compile(r"[+-]\s*(\d+\.?\d*|\.\d+)\s*%")
_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
_COUNTS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS: dict[str, dict[str, float]] = {
    "second": _SECONDS,
    "count": _COUNTS,
    "pixel": _COUNTS,
    "joule": {"": 1.0, "J": 1.0, "mJ": 1e-3, "kJ": 1e3, "Wh": 3600.0},
    "fraction": {"": 1.0, "%": 0.01},
    "image/second": {"": 1.0, "/s": 1.0},
}


@dataclass(frozen=True)
class Gate:
    """A condition that must not hold.

    Attributes:
        text: as the user wrote it.
        quantity: a name of `QUANTITIES`.
        sign: `>`, `>=`, `<` or `<=`.
        limit: raw value, or for a relative gate the ratio new/old, as in 1.05 for `+5%`.
        relative: whether the limit is a change between two results, for `compare`.
    """

    text: str
    quantity: str
    sign: str
    limit: float
    relative: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value, or the ratio for a relative gate, does what must not be."""
        return _OPERATORS[self.sign](value, self.limit)

    def violations(self, rows: Iterable[Mapping[str, Json]]) -> list[str]:
        """A sentence for each tidy row that breaks the gate.

        A gate that cannot be judged is broken: a check that silently passes because nothing was measured is worse
        than none.
        """
        judged = [row for row in rows if row["quantity"] == self.quantity]
        if not judged:
            return [f"{self.text}: no row tells {self.quantity}, so it cannot be judged"]
        return [sentence for row in judged if (sentence := self._violation(row))]

    def _violation(self, row: Mapping[str, Json]) -> str | None:
        value = row["value"]
        if value is None:
            return f"{self.text}: {row['model']} has no value ({row['cause']}), so it cannot be judged"
        if self.holds(value):
            return f"{self.text}: {row['model']} has {value:.6g} {row['unit']}"
        return None


def parse_gate(text: str) -> Gate:
    """`"train_peak_live_bytes > 24GiB"` or `"latency_s > 5ms"`: fails where a row's value does that.

    Raises:
        UserError: not of that form, an unknown quantity (near names are suggested) or a unit it does not have;
            also a change such as `+5%`, which only `compare` can judge.
    """
    gate = parse_comparison_gate(text)
    if gate.relative:
        raise UserError(f"--fail-if {text!r} is a change between two results; only `segbench compare` can judge it")
    return gate


def parse_comparison_gate(text: str) -> Gate:
    """As `parse_gate`, and also `"latency_s > +5%"`: fails where B is shown to be more than 5 % above A.

    Raises:
        UserError: as there, and a percentage without a sign on a quantity that is no fraction.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        example = '"latency_s > 5ms", "train_peak_live_bytes > 24GiB" or, for compare, "latency_s > +5%"'
        raise UserError(f"--fail-if {text!r} is not of the form QUANTITY > LIMIT; write for example {example}")
    name, sign, limit = quantity(match["name"]), match["sign"], match["limit"]
    change = _RELATIVE.fullmatch(limit)
    if change:
        ratio = 1 + float(change[1]) / 100 * (-1 if limit.startswith("-") else 1)
        return Gate(text, name.name, sign, ratio, relative=True)
    return Gate(text, name.name, sign, _raw_value(limit, name.unit, text))


def _raw_value(limit: str, unit: str, text: str) -> float:
    """The limit in the quantity's raw unit."""
    if unit == "byte":
        return float(parse_bytes(limit))
    factors = _UNITS[unit]
    match = _NUMBER.fullmatch(limit)
    if match and match[2] in factors:
        return float(match[1]) * factors[match[2]]
    known = ", ".join(repr(name) for name in factors if name)
    hint = "; for a change write a sign, as in +5%" if limit.endswith("%") else ""
    raise UserError(f"--fail-if {text!r}: {limit!r} is not a limit in {unit}; units: {known or 'none'}{hint}")
