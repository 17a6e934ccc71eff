"""Places every network of a ledger on axes of cost and accuracy, like with like on each axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from segbench.present.amounts import in_bytes
from segbench.present.formats import LARGE_COUNT, MILLIONS, Format, of_unit
from segbench.present.page.pareto import Pareto, ParetoAxis, ParetoPoint, ParetoValue
from segbench.present.table import Column, Table, table_of
from segbench.present.values import measured
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import CAMVID_IMAGES, EpochOptions, Shared
from segbench.records.quantities import QUANTITIES

_AXES = {
    "train_peak_reserved_bytes": "training memory",
    "train_peak_live_bytes": "training memory, live",
    "infer_peak_reserved_bytes": "inference memory",
    "infer_peak_live_bytes": "inference memory, live",
    "max_batch": "largest batch",
    "latency_s": "latency",
    "batch_latency_s": "latency of a batch",
    "epoch_s": "epoch time",
    "train_step_s": "training step",
    "energy_per_image_j": "energy per image",
    "energy_per_epoch_j": "energy per epoch",
    "macs": "MACs",
    "parameters": "parameters",
    "miou": "mIoU",
}
"""Quantity -> how the axis is called."""

_SAID_BY = {
    "train_peak_live_bytes": "train_peak_reserved_bytes",
    "infer_peak_live_bytes": "infer_peak_reserved_bytes",
    "batch_latency_s": "latency_s",
    "train_step_s": "epoch_s",
}
"""Quantity -> the axis that makes it superfluous: live bytes are shown where nothing was reserved, as on a CPU."""

FoundValue = tuple[Entry, Measurement]


def pareto_of(entries: Sequence[Entry]) -> Pareto:
    """One axis a quantity; of several sets of conditions the one that most networks share, then the newest.

    What another axis says already is left out.
    """
    axes: list[ParetoAxis] = []
    values: dict[str, dict[str, ParetoValue]] = defaultdict(dict)
    for quantity, title in _AXES.items():
        if _SAID_BY.get(quantity) in {axis.key for axis in axes}:
            continue
        for conditions, found in _axes_of(entries, quantity):
            key = f"{quantity}:{conditions}" if quantity == "miou" else quantity
            axis = ParetoAxis(key, title, conditions, QUANTITIES[quantity].unit, QUANTITIES[quantity].better)
            axes.append(axis)
            for name, (_, item) in found.items():
                values[name][axis.key] = _value(item)
    spots = [ParetoPoint(name, places) for name, places in values.items()]
    x, y = _first_shown(axes, spots)
    return Pareto(axes, spots, x, y)


def networks_table(pareto: Pareto) -> Table | None:
    """Everything known of every network, one row each."""
    if not pareto.spots:
        return None
    rows = [
        [spot.network, *(item.value if (item := spot.values.get(axis.key)) else None for axis in pareto.axes)]
        for spot in pareto.spots
    ]
    columns = [Column(axis.heading, _format(axis.key, axis.unit)) for axis in pareto.axes]
    notes = ["in each column all networks were measured or predicted under the same conditions"]
    return table_of("All networks", ["network", *columns], rows, notes, name="networks")


def _format(quantity: str, unit: str) -> Format:
    return {"parameters": MILLIONS, "macs": LARGE_COUNT}.get(quantity, of_unit(unit))


def _axes_of(entries: Sequence[Entry], quantity: str) -> list[tuple[str, dict[str, FoundValue]]]:
    """The best-filled set of conditions, of equal ones the newest and training's; for accuracy every data set."""
    groups: dict[str, dict[str, FoundValue]] = defaultdict(dict)
    for entry in entries:
        item = measured(entry, quantity)
        if item is not None and item.value is not None and not entry.case.kind.partial:
            groups[_conditions(entry, item)][entry.model] = (entry, item)
    if quantity == "miou":
        return list(groups.items())
    newest = {name: place for place, name in enumerate(groups)}

    def last(group: tuple[str, dict[str, FoundValue]]) -> tuple[int, bool, int]:
        conditions, found = group
        return -len(found), ", inference" in conditions, -newest[conditions]

    return sorted(groups.items(), key=last)[:1]


def _conditions(entry: Entry, item: Measurement) -> str:
    case = _with_factors(entry.case, item.factors) if item.factors else entry.case
    size = f"{case.width}x{case.height}"
    name = item.quantity
    if name == "parameters":
        return f"{case.classes} classes"
    if name == "miou":
        said = {option: getattr(case.options, option, None) for option in _ASKED}
        asked = [f"{option}={value}" for option, value in said.items() if value not in (None, "single")]
        return ", ".join([f"{case.dataset} {case.split or 'val'}", size, *asked])
    precision = "" if case.precision == "fp32" else f", {case.precision}"
    where = f", predicted{_switches(entry, item.method)}" if item.method == "predicted" else ""
    if item.method.startswith("measured") and entry.environment:
        where = f", {entry.environment.device_name}{_switches(entry, item.method)}"
    if name == "macs":
        return f"{size}{where}{precision}"
    if name == "max_batch":
        within = f" within {in_bytes(case.budget_bytes)}" if case.budget_bytes else ""
        return f"{size}, {'training' if 'train' in case.modes else 'inference'}{within}{where}{precision}"
    batch = case.batch_size if item.mode == "train" else item.factors.get("batch_size", case.infer_batch)
    at = _images_of_epoch(case) if name in ("epoch_s", "energy_per_epoch_j") else f", batch {batch}"
    without = ", no optimizer" if item.mode == "train" and case.optimizer == "none" else ""
    return f"{size}{at}{where}{precision}{without}"


def _with_factors(case: Case, factors: Mapping[str, Json]) -> Case:
    names = {field.name for field in fields(Case)}
    return replace(case, **{name: value for name, value in factors.items() if name in names})


def _images_of_epoch(case: Case) -> str:
    images = case.options.images if isinstance(case.options, EpochOptions) else None
    return f", {images} images" if images and images != CAMVID_IMAGES else ""


_ASKED = ("protocol", "scales", "flip", "window")
"""Options that decide how a network was shown an image."""


def _switches(entry: Entry, method: str) -> str:
    """What was switched on where it was measured, beside the precision."""
    number = entry.environment.threads if entry.environment and method == "measured:host" else 0
    threads = f"{number} thread{'s' if number > 1 else ''}" if number else ""
    options = entry.case.options
    together = f"{options.strategy} of {options.ranks}" if isinstance(options, Shared) and options.shares else ""
    return "".join(f", {word}" for word in (threads, together, *entry.case.switches) if word)


def _value(item: Measurement) -> ParetoValue:
    assert item.value is not None
    text = _format(item.quantity, item.unit).draw(item.value)
    return ParetoValue(float(item.value), text, item.spread_low, item.spread_high)


def _first_shown(axes: Sequence[ParetoAxis], spots: Sequence[ParetoPoint]) -> tuple[str, str]:
    """Memory across, up accuracy, else time, else operations; only pairs that some networks share."""

    def shared(x: str, y: str) -> int:
        return sum(x in spot.values and y in spot.values for spot in spots)

    keys = [axis.key for axis in axes]
    ups = [
        key
        for name in ("miou", "latency_s", "batch_latency_s", "train_step_s", "macs", "parameters")
        for key in keys
        if key.startswith(name)
    ]
    pairs = [(x, y) for y in ups for x in keys if x != y and shared(x, y) > 1]
    return pairs[0] if pairs else (keys[0], keys[-1]) if keys else ("", "")
