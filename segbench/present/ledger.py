"""The tables of `segbench ledger`: runs, and the measurements of some of them."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.formats import Value, of_unit, spread
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Rows, Table, table_of
from segbench.present.values import uncertainty_of
from segbench.records.ledger import Entry
from segbench.records.measurement import ANSWERS


def runs_table(entries: Sequence[Entry], place: str) -> Table:
    """One row a run, oldest first."""
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        runs.setdefault(entry.run, []).append(entry)
    rows: Rows = [_run(name, group) for name, group in runs.items()]
    columns: Columns = ["run", "finished (UTC)", "task", "networks", "device", "cells", "failed"]
    return table_of(f"{place}: {len(runs)} runs, {len(entries)} cells", columns, rows)


def entries_table(entries: Sequence[Entry]) -> Table:
    """One row a measurement; a cell that failed is a row with its cause."""
    rows: Rows = [row for entry in entries for row in _measurements(entry)]
    columns: Columns = [
        *("network", "task", "mode", "batch", "quantity", "value", Column("95 %", spread(), "value"), "samples"),
        "outcome",
    ]
    return table_of(f"{len(entries)} cells", columns, rows, [provenance(entries)])


def _run(name: str, entries: Sequence[Entry]) -> list[Value]:
    devices = dict.fromkeys(entry.environment.device_name for entry in entries if entry.environment)
    failed = sum(entry.outcome not in ANSWERS for entry in entries)
    return [
        name,
        max(entry.finished for entry in entries)[:19].replace("T", " "),
        ", ".join(dict.fromkeys(entry.case.task for entry in entries)),
        ", ".join(dict.fromkeys(entry.model for entry in entries)),
        ", ".join(devices) or None,
        len(entries),
        failed or "",
    ]


def _measurements(entry: Entry) -> Rows:
    case = entry.case
    start = [entry.model, case.task]
    rows: Rows = [
        [
            *start,
            item.mode or "",
            str(item.factors.get("batch_size", case.infer_batch if item.mode == "infer" else case.batch_size)),
            item.quantity,
            Cell(item.value, of_unit(item.unit)),
            uncertainty_of(item),
            len(item.samples) or "",
            item.cause or item.outcome,
        ]
        for item in entry.measurements
    ]
    if entry.outcome != "ok" or not rows:
        rows.append([*start, "+".join(case.modes), "", "", None, None, "", f"{entry.outcome}: {entry.cause}"])
    return rows
