"""`memory --explain`: where the bytes of a predicted peak are, network beside network, and why one needs less."""

from __future__ import annotations

from collections.abc import Sequence

from segbench.present.amounts import in_bytes
from segbench.present.formats import BYTES, Value
from segbench.present.table import Column, Columns, Table, table_of
from segbench.present.values import measured
from segbench.records.case import Json
from segbench.records.ledger import Entry

_MODES = {"train": "a training step", "infer": "an inference"}
_LISTED = 5
"""Modules and tensors named a network."""
_HELD_FOR = {
    "activations": "activations, which wait for the backward pass",
    "temporaries": "temporaries of single operators",
    "parameters": "parameters",
    "gradients": "gradients",
    "optimizer state": "the optimizer's state",
    "inputs": "inputs",
    "workspaces": "workspaces",
}


def explain_tables(entries: Sequence[Entry]) -> list[Table]:
    """For each mode, roles and modules and tensors at the peak; nothing for entries that are not predictions."""
    tables = []
    for mode in _MODES:
        found = {entry.model: detail for entry in entries if (detail := _detail(entry, mode))}
        if found:
            batch = next(_batch(entry, mode) for entry in entries if entry.model in found and mode in entry.case.modes)
            tables += [_roles(found, mode, batch), _modules(found, mode), _tensors(found, mode)]
    return tables


def sentence(found: dict[str, Json]) -> str | None:
    """Why the leanest of the networks needs less than the most demanding one; None for a single network.

    Args:
        found: the prediction's detail by network.
    """
    totals = {name: sum(detail["breakdown"].values()) for name, detail in found.items()}
    least, most = min(totals, key=lambda name: totals[name]), max(totals, key=lambda name: totals[name])
    if least == most:
        return None
    more = {role: size - found[least]["breakdown"][role] for role, size in found[most]["breakdown"].items()}
    role = max(more, key=lambda name: more[name])
    places = [f"{_name(module)} ({in_bytes(size)})" for module, size in found[most]["modules"].items()][:2]
    return (
        f"{least} needs {in_bytes(totals[most] - totals[least])} less than {most}: {in_bytes(more[role])} less of "
        f"{_HELD_FOR[role]}; most of what {most} holds is in {' and '.join(places)}"
    )


def _detail(entry: Entry, mode: str) -> Json | None:
    item = measured(entry, f"{mode}_peak_live_bytes") if mode in entry.case.modes else None
    return item.detail if item is not None and "breakdown" in item.detail else None


def _batch(entry: Entry, mode: str) -> int:
    return entry.case.batch_size if mode == "train" else entry.case.infer_batch


def _roles(found: dict[str, Json], mode: str, batch: int) -> Table:
    roles = list(next(iter(found.values()))["breakdown"])
    rows = [[role, *(detail["breakdown"][role] or None for detail in found.values())] for role in roles]
    rows.append(["all live bytes", *(sum(detail["breakdown"].values()) for detail in found.values())])
    rows.append(["reached in", *(_place(detail["peak"]) for detail in found.values())])
    why = sentence(found)
    columns: Columns = ["", *(Column(name, BYTES) for name in found)]
    return table_of(f"At the peak of {_MODES[mode]}, batch {batch}", columns, rows, [why] if why else [])


def _modules(found: dict[str, Json], mode: str) -> Table:
    columns = [
        [f"{_name(module)}  {in_bytes(size)}" for module, size in detail["modules"].items()][:_LISTED]
        for detail in found.values()
    ]
    return table_of(f"Modules that hold most at that moment ({mode})", ["", *found], _ranked(columns), prose=True)


def _tensors(found: dict[str, Json], mode: str) -> Table:
    columns = [[_tensor(item) for item in detail["largest"]][:_LISTED] for detail in found.values()]
    return table_of(f"Largest tensors at that moment ({mode})", ["", *found], _ranked(columns), prose=True)


def _ranked(columns: list[list[str]]) -> list[list[Value]]:
    longest = max(map(len, columns))
    padded = [[*column, *[None] * (longest - len(column))] for column in columns]
    return [[str(rank), *cells] for rank, cells in enumerate(zip(*padded, strict=True), start=1)]


def _tensor(item: Json) -> str:
    shape = "x".join(map(str, item["shape"]))
    made = item["operator"].removeprefix("aten.")
    return f"{in_bytes(item['bytes'])}  {_name(item['module'])} {made} {shape} ({item['role']})"


def _place(peak: Json) -> str:
    return f"{peak['phase']}, {_name(peak['module'])}"


def _name(module: str) -> str:
    return module or "(the network itself)"
