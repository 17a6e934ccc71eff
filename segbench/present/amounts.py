"""Raw values as people read them; the unit is always named, and GiB is 2^30."""

from __future__ import annotations

from segbench.units import GIB, KIB, MIB

MISSING = "-"


def in_bytes(value: float | None) -> str:
    """`2.31 GiB`, `214 MiB`, `12.0 KiB`; three significant digits."""
    if value is None:
        return MISSING
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f} B"


def in_seconds(value: float | None) -> str:
    """`1.23 s`, `45.6 ms`, `789 µs`; three significant digits."""
    if value is None:
        return MISSING
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value * 1e9:.0f} ns"


def in_count(value: float | None) -> str:
    """`20,948,124`."""
    return MISSING if value is None else f"{value:,.0f}"


def in_millions(value: float | None) -> str:
    """`20.95 M`: parameters, as papers count them; `1,259` where that would be nothing."""
    if value is None:
        return MISSING
    return f"{value / 1e6:.2f} M" if value >= 1e4 else f"{value:,.0f}"


def in_large_count(value: float | None) -> str:
    """`62.3 G`, `20.9 M`; three significant digits, powers of ten."""
    if value is None:
        return MISSING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f}"


def in_percent(value: float | None) -> str:
    """A fraction as `57.3 %`."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def in_points(value: float | None) -> str:
    """A fraction in percentage points, signed: `+1.3`, and `0.0` without a sign."""
    if value is None:
        return MISSING
    rounded = round(100 * value, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def half_width_percent(value: float, low: float, high: float) -> str:
    """Half of an interval's width as `±1.2 %` of the value."""
    percent = 50 * (high - low) / value
    return f"±{percent:.2g} %" if percent < 99.5 else f"±{percent:.0f} %"


def ratio_of(value: float | None, to: float | None) -> float | None:
    """Of another value; None where either is missing."""
    return None if value is None or not to else value / to


def by_unit(value: float | None, unit: str) -> str:
    """A raw value in the way its unit is read."""
    if unit == "byte":
        return in_bytes(value)
    if unit == "second":
        return in_seconds(value)
    if unit == "fraction":
        return in_percent(value)
    if value is None:
        return MISSING
    if unit in ("count", "pixel"):
        return in_count(value)
    return f"{value:.4g} {unit}"


def as_published(value: float, unit: str) -> str:
    """A published number as it was printed: `31.1 GB`, `65.8 M`, `117 ms`."""
    short = {"million": "M", "second": "s", "millisecond": "ms", "percent": "%", "count": ""}.get(unit, unit)
    return f"{value:g} {short}".strip()


def _three_digits(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
