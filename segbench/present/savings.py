"""The tables of `segbench savings`: every way to save training memory beside plain back-propagation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from segbench.cards.sources import read_spec
from segbench.present.amounts import ratio_of
from segbench.present.formats import BYTES, RATIO, SECONDS, Value, plain
from segbench.present.provenance import provenance
from segbench.present.table import Cell, Column, Columns, Table, table_of, without_empty_columns
from segbench.present.values import Cards, measured, outcome, value_of
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import SavingsOptions

_PEAKS = ("train_peak_reserved_bytes", "train_peak_allocated_bytes", "train_peak_live_bytes")
"""The first that is there: what CUDA's allocator holds, predicted or measured, and on the CPU what lives."""
_SHARE = plain("{:.2f}", "fraction")


def savings_tables(entries: Sequence[Entry], _cards: Cards | None = None) -> list[Table]:
    """One table a network; the plain forms of the others stand at its end, and ratios are to its own."""
    groups = by_network(entries)
    return [
        _sheet(name, group, [other[0] for other_name, other in groups.items() if other_name != name])
        for name, group in groups.items()
    ]


def by_network(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Entries by the network whose table they belong to, its plain form first."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.case.options_as(SavingsOptions).of].append(entry)
    return {name: sorted(group, key=lambda entry: way_of(entry) != "plain") for name, group in groups.items()}


def way_of(entry: Entry) -> str:
    """The switches of an entry, `plain` without any beyond its table's network."""
    own = read_spec(entry.case.model).optimisations
    given = read_spec(entry.case.options_as(SavingsOptions).of).optimisations
    return "+".join(own[len(given) :]) or "plain"


def predicted_peak(entry: Entry) -> Measurement | None:
    return _row(entry, is_predicted=True)


def measured_peak(entry: Entry) -> Measurement | None:
    return _row(entry, is_predicted=False)


def _row(entry: Entry, *, is_predicted: bool) -> Measurement | None:
    rows = {row.quantity: row for row in entry.measurements if (row.method == "predicted") == is_predicted}
    return next((rows[name] for name in _PEAKS if name in rows), None)


def _sheet(name: str, group: list[Entry], others: list[Entry]) -> Table:
    columns: Columns = [
        "way",
        *(Column("memory\npredicted", BYTES), Column("\nratio", RATIO, "predicted ratio")),
        *(Column("memory\nmeasured", BYTES), Column("\nratio", RATIO, "measured ratio")),
        *(Column("time of\na step", SECONDS), Column("\nratio", RATIO, "time ratio")),
        *(Column("extra\nMACs", _SHARE), Column("gradient\nerror", plain("{:.1e}", "fraction"))),
        "outcome",
    ]
    reference = group[0]
    rows = [_cells(way_of(entry), entry, reference) for entry in group]
    rows += [_cells(f"{entry.model} instead", entry, reference) for entry in others]
    title = f"Memory savings of {name}, batch {reference.case.batch_size}"
    return without_empty_columns(table_of(title, columns, rows, _notes(group, others)))


def _cells(way: str, entry: Entry, reference: Entry) -> list[Value | Cell]:
    row: list[Value | Cell] = [way]
    for peak in (predicted_peak, measured_peak):
        mine, plains = peak(entry), peak(reference)
        value = mine.value if mine else None
        row += [value, ratio_of(value, plains.value if plains else None)]
    time = value_of(entry, "train_step_s")
    row += [time, ratio_of(time, value_of(reference, "train_step_s"))]
    row += [value_of(entry, "extra_macs"), value_of(entry, "gradient_relative_error")]
    return [*row, _outcome(entry)]


def _outcome(entry: Entry) -> str:
    refused = next((row for row in entry.measurements if row.outcome != "ok"), None)
    return outcome(entry) if entry.outcome != "ok" else refused.outcome if refused else "ok"


def _notes(group: list[Entry], others: list[Entry]) -> list[str]:
    memory = [
        f"memory {kind}: {found[0].quantity}"
        for kind, peak in (("predicted", predicted_peak), ("measured", measured_peak))
        if (found := [row for row in map(peak, group) if row and row.value is not None])
    ]
    errors = [row for entry in group for row in (measured(entry, "gradient_relative_error"),) if row]
    small = errors[0].factors if errors else {}
    notes = [
        provenance([*group, *others]),
        "; ".join([*memory, "ratio: to plain"]),
        "extra MACs: of the forward pass, run again or beyond plain back-propagation's; 1 is one more forward pass",
    ]
    if errors:
        notes.append(
            "gradient error: |g - g_plain| / |g_plain|, measured on the CPU in float32, "
            f"{small['batch_size']} images of {small['width']}x{small['height']}, weights as drawn; 1e-6 is "
            "rounding; of inexact ways it shrinks as images grow"
        )
    changes = dict.fromkeys(change for row in errors for change in row.detail.get("changes", ()))
    notes += [f"another network, with whose own plain gradient it is compared: {'; '.join(changes)}"] if changes else []
    refusals = {way_of(entry): row.cause for entry in group for row in entry.measurements if row.cause}
    return [*notes, *(f"{way}: {cause}" for way, cause in refusals.items())]
