"""The table of `segbench gradients`: every way to differentiate an ODE network."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.amounts import ratio_of
from segbench.present.formats import BYTES, NUMBER, RATIO, SECONDS, Value, plain
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Rows, Table, table_of
from segbench.present.values import Cards, outcome
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import GradientsOptions

_PEAKS = ("train_peak_live_bytes", "train_peak_allocated_bytes")
_PLAIN = "backprop"

_Found = dict[str, Measurement]
"""Of one pair, by quantity."""


def gradients_tables(entries: Sequence[Entry], _cards: Cards | None = None) -> list[Table]:
    """One table a network; ratios are to plain back-propagation through the same solver."""
    return [_sheet(entry) for entry in entries]


def _sheet(entry: Entry) -> Table:
    columns: Columns = [
        "solver, gradient",
        *(Column("peak\nmemory", BYTES), Column("ratio", RATIO, "peak memory ratio")),
        *(Column("time", SECONDS), Column("ratio", RATIO, "time ratio")),
        *(Column("NFE\nforward", NUMBER), Column("NFE\nbackward", NUMBER)),
        Column("error", plain("{:.1e}")),
    ]
    pairs = _pairs(entry)
    rows: Rows = [_row(pair, rows, pairs.get((pair[0], _PLAIN), {})) for pair, rows in pairs.items()]
    if entry.outcome != "ok":
        rows.append([outcome(entry), *[None] * (len(columns) - 1)])
    return table_of(f"Gradients of {entry.model}, batch {entry.case.batch_size}", columns, rows, _notes(entry, pairs))


def _pairs(entry: Entry) -> dict[tuple[str, str], _Found]:
    found: dict[tuple[str, str], _Found] = {}
    for row in entry.measurements:
        if "gradient" in row.factors:
            found.setdefault((row.factors["solver"], row.factors["gradient"]), {})[row.quantity] = row
    return found


def _row(pair: tuple[str, str], rows: _Found, plain: _Found) -> list[Value | Cell]:
    refused = rows.get("gradient_relative_error")
    if refused is not None and refused.outcome != "ok":
        return [", ".join(pair), *[None] * 6, Cell(label=refused.outcome)]
    peak, usual_peak = _peak(rows), _peak(plain)
    time, usual_time = _value(rows, "train_step_s"), _value(plain, "train_step_s")
    return [
        ", ".join(pair),
        peak,
        ratio_of(peak, usual_peak),
        time,
        ratio_of(time, usual_time),
        _value(rows, "nfe_forward"),
        _value(rows, "nfe_backward"),
        Cell(label="reference") if pair[1] == _PLAIN else _value(rows, "gradient_relative_error"),
    ]


def _value(rows: _Found, quantity: str) -> float | None:
    return rows[quantity].value if quantity in rows else None


def _peak(rows: _Found) -> float | None:
    return next((rows[name].value for name in _PEAKS if name in rows), None)


def _notes(entry: Entry, pairs: dict[tuple[str, str], _Found]) -> list[str]:
    trained = entry.case.options_as(GradientsOptions).checkpoint
    weights = "trained weights" if trained else "weights as drawn (a trained network's differ)"
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
