"""The table of `segbench gradients`: every way to differentiate an ODE network."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.amounts import MISSING, as_ratio, in_bytes, in_seconds
from segbench.present.provenance import provenance
from segbench.present.sheet import Sheet
from segbench.present.values import outcome
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

_PEAKS = ("train_peak_live_bytes", "train_peak_allocated_bytes")
_PLAIN = "backprop"

Rows = dict[str, Measurement]
"""Of one pair, by quantity."""


def gradients_sheets(entries: Sequence[Entry]) -> list[Sheet]:
    """One table a network; ratios are to plain back-propagation through the same solver."""
    return [_sheet(entry) for entry in entries]


def _sheet(entry: Entry) -> Sheet:
    columns = ["solver, gradient", "peak\nmemory", "ratio", "time", "ratio", "NFE\nforward", "NFE\nbackward", "error"]
    pairs = _pairs(entry)
    rows = [_row(pair, rows, pairs.get((pair[0], _PLAIN), {})) for pair, rows in pairs.items()]
    if entry.outcome != "ok":
        rows.append([outcome(entry), *[MISSING] * (len(columns) - 1)])
    return Sheet(f"Gradients of {entry.model}, batch {entry.case.batch_size}", columns, rows, _notes(entry, pairs))


def _pairs(entry: Entry) -> dict[tuple[str, str], Rows]:
    found: dict[tuple[str, str], Rows] = {}
    for row in entry.measurements:
        if "gradient" in row.factors:
            found.setdefault((row.factors["solver"], row.factors["gradient"]), {})[row.quantity] = row
    return found


def _row(pair: tuple[str, str], rows: Rows, plain: Rows) -> list[str]:
    refused = rows.get("gradient_relative_error")
    if refused is not None and refused.outcome != "ok":
        return [", ".join(pair), *[MISSING] * 6, refused.outcome]
    peak, usual_peak = _peak(rows), _peak(plain)
    time, usual_time = _value(rows, "train_step_s"), _value(plain, "train_step_s")
    return [
        ", ".join(pair),
        in_bytes(peak),
        as_ratio(peak, usual_peak),
        in_seconds(time),
        as_ratio(time, usual_time),
        _count(rows, "nfe_forward"),
        _count(rows, "nfe_backward"),
        _error(pair[1], _value(rows, "gradient_relative_error")),
    ]


def _value(rows: Rows, quantity: str) -> float | None:
    return rows[quantity].value if quantity in rows else None


def _peak(rows: Rows) -> float | None:
    return next((rows[name].value for name in _PEAKS if name in rows), None)


def _count(rows: Rows, quantity: str) -> str:
    value = _value(rows, quantity)
    return MISSING if value is None else f"{value:g}"


def _error(gradient: str, value: float | None) -> str:
    """Plain back-propagation is what the others are compared with."""
    if gradient == _PLAIN:
        return "reference"
    return MISSING if value is None else f"{value:.1e}"


def _notes(entry: Entry, pairs: dict[tuple[str, str], Rows]) -> list[str]:
    weights = "trained weights" if entry.case.option("checkpoint") else "weights as drawn (a trained network's differ)"
    notes = [
        provenance([entry]),
        f"forward, loss and backward without an optimizer, {weights}; ratio: to {_PLAIN} through the same solver",
        "error: |g - g_backprop| / |g_backprop|; 1e-6 is rounding, above 0.1 a step is a guess",
    ]
    errors = [rows["gradient_relative_error"] for rows in pairs.values() if "gradient_relative_error" in rows]
    kept: dict[str, str] = {}
    for row in errors:
        kept.setdefault(row.factors["gradient"], row.detail.get("keeps", ""))
    told = [f"{name}: {what}" for name, what in kept.items() if what]
    notes += ["kept for the backward pass by " + "; ".join(told)] if told else []
    causes = dict.fromkeys(_cause(row) for row in errors if row.cause)
    return [*notes, *causes]


def _cause(row: Measurement) -> str:
    return str(row.cause) if row.outcome == "ok" else f"{row.outcome}: {row.cause}"
