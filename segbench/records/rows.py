"""Ledger entries as tidy rows: one measurement a row, the columns of every export."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segbench.records.case import Case, Json
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.quantities import QUANTITIES

if TYPE_CHECKING:
    import pandas as pd

EXPORT_COLUMNS = (
    "run,model,quantity,value,unit,method,outcome,cause,mode,device,device_name,precision,batch_size,width,height,"
    "classes,optimizer,solver,gradient,steps,t_end,policy,dataset,split,protocol,seed,samples,spread_low,spread_high,"
    "reference_value,reference_unit,reference_conditions,reference_source"
).split(",")

Row = dict[str, Json]


class Published(Protocol):
    """A published number with its conditions; a card's `Reference` is one."""

    @property
    def value(self) -> float: ...
    @property
    def unit(self) -> str: ...
    @property
    def dataset(self) -> str | None: ...
    @property
    def conditions(self) -> str: ...
    @property
    def source(self) -> str: ...


class HasReferences(Protocol):
    """What knows the published numbers of a network; a model card does."""

    def references_for(self, quantity_name: str, /) -> Sequence[Published]: ...


def tidy_rows(entries: Iterable[Entry], cards: Mapping[str, HasReferences] | None = None) -> list[Row]:
    """One row a measurement, and one row for a cell that answered nothing.

    Args:
        entries: of a ledger.
        cards: by model name, for the published references.
    """
    rows = []
    for entry in entries:
        card = (cards or {}).get(entry.model)
        for item in entry.measurements or (_missing(entry),):
            rows.append(_row(entry, item, card))
        if entry.measurements and entry.outcome != "ok":
            rows.append(_row(entry, _missing(entry), card))
    return rows


def read_ledger(folder: str | Path) -> pd.DataFrame:
    """A ledger as a DataFrame with the columns of every export; lines that hold no record are warned of.

    Raises:
        LedgerError: the file cannot be read.
    """
    import pandas as pd

    book = Ledger(Path(folder))
    rows = tidy_rows(book.entries())
    for sentence in book.damage:
        warnings.warn(sentence, stacklevel=2)
    return pd.DataFrame(rows, columns=EXPORT_COLUMNS)


def reference_for(card: HasReferences, quantity_name: str, case: Case) -> Published | None:
    """The published number that belongs beside a quantity, with its own conditions.

    Accuracy belongs to its data set; a cost is shown beside any other cost of the kind, conditions included.
    """
    found = card.references_for(quantity_name)
    if QUANTITIES[quantity_name].unit == "fraction":
        found = [item for item in found if _plain(item.dataset) == _plain(case.dataset)]
    return found[0] if found else None


def _plain(dataset: str | None) -> str | None:
    """A data set's name without reader options; 59 classes is what papers mean by PASCAL-Context."""
    return dataset.partition(":")[0].removesuffix("-59") if dataset else None


def _missing(entry: Entry) -> Measurement:
    case = entry.case
    name = case.kind.quantity(case.modes[0])
    method = "predicted" if case.device == "none" else "measured:cuda" if "cuda" in case.device else "measured:host"
    cause = entry.cause or "the cell reported nothing"
    mode = case.modes[0] if name.startswith(case.modes) else None
    return Measurement(name, None, method, mode=mode, outcome=entry.outcome, cause=cause)


def _row(entry: Entry, item: Measurement, card: HasReferences | None) -> Row:
    case, environment = entry.case, entry.environment
    reference = reference_for(card, item.quantity, case) if card else None
    row: Row = {
        "run": entry.run,
        "model": entry.model,
        "quantity": item.quantity,
        "value": item.value,
        "unit": item.unit,
        "method": item.method,
        "outcome": item.outcome,
        "cause": item.cause,
        "mode": item.mode,
        "device": case.device,
        "device_name": environment.device_name if environment else None,
        "precision": case.precision,
        "batch_size": case.batch_size,
        "width": case.width,
        "height": case.height,
        "classes": case.classes,
        "optimizer": case.optimizer,
        **{name: entry.arguments.get(name) for name in ("solver", "gradient", "steps", "t_end")},
        "policy": None,
        "dataset": case.dataset,
        "split": case.split,
        "protocol": None,
        "seed": case.seed,
        "samples": len(item.samples) or (1 if item.value is not None else 0),
        "spread_low": item.spread_low,
        "spread_high": item.spread_high,
        "reference_value": reference.value if reference else None,
        "reference_unit": reference.unit if reference else None,
        "reference_conditions": reference.conditions if reference else None,
        "reference_source": reference.source if reference else None,
    }
    return {**row, **{name: value for name, value in item.factors.items() if name in row}}
