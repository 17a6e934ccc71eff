"""How raw values become text: one format for each way a column is read, with the unit its values have in files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segbench.present import amounts

Value = str | float | tuple[float | None, ...] | None
"""Raw: a name, a number, or several numbers that are read together, such as an interval's ends."""


@dataclass(frozen=True)
class Format:
    """How a value is drawn, and what it is in files.

    Attributes:
        unit: of the raw value, as in `QUANTITIES`; empty for names, ratios and plain numbers.
        draw: the value as people read it; never asked about None.
        parts: for values of several numbers what each is called in files; None for one that another column has.
    """

    unit: str
    draw: Callable[..., str]
    parts: tuple[str | None, ...] = ("",)


def of_unit(unit: str) -> Format:
    """Whatever the unit's usual form is."""
    return Format(unit, lambda value: amounts.by_unit(value, unit))


def as_printed(unit: str) -> Format:
    """A published number in the unit in which it was printed."""
    return Format(unit, lambda value: amounts.as_published(value, unit))


def plain(pattern: str, unit: str = "") -> Format:
    """A number in Python's notation: `plain("{:.3g} J", "joule")`."""
    return Format(unit, pattern.format)


def spread(unit: str = "") -> Format:
    """Of a value and its 95 % interval: half of the width as a share of the value; in files its ends."""
    return Format(unit, lambda parts: amounts.half_width_percent(*parts), (None, "low", "high"))


TEXT = Format("", str)
BYTES = Format("byte", amounts.in_bytes)
SECONDS = Format("second", amounts.in_seconds)
COUNT = Format("count", amounts.in_count)
MILLIONS = Format("count", amounts.in_millions)
LARGE_COUNT = Format("count", amounts.in_large_count)
PERCENT = Format("fraction", amounts.in_percent)
POINTS = Format("fraction", amounts.in_points)
RATIO = plain("{:.2f}")
NUMBER = plain("{:g}", "count")
THREE_DIGITS = plain("{:.3g}")
POINTS_INTERVAL = Format("fraction", lambda ends: " to ".join(map(amounts.in_points, ends)), ("low", "high"))
POINTS_WITH_INTERVAL = Format(
    "fraction",
    lambda parts: "{} ({} to {})".format(*map(amounts.in_points, parts)),
    ("", "low", "high"),
)
