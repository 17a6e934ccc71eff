"""One line under every table: on what, with what and how the numbers came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from segbench.records.ledger import Entry
from segbench.records.options import TrainOptions


def provenance(entries: Sequence[Entry]) -> str:
    """Device, versions, precision, input and method of entries that share them; where they differ, all are named."""
    cases = [entry.case for entry in entries]
    environments = [entry.environment for entry in entries if entry.environment]
    parts = [
        _all(f"{e.device_name} ({e.device})" if e.device != "none" else "no device" for e in environments),
        _all(f"torch {e.torch}" for e in environments),
        _all(f"CUDA {e.cuda}, driver {e.driver}" for e in environments if e.cuda),
        _all(f"{e.threads} threads" for e in environments if e.device == "cpu"),
        _all(case.precision for case in cases),
        _all(f"{case.width}x{case.height}" for case in cases),
        _all(_input(entry) for entry in entries),
        _all(f"{name}={value}" for case in cases for name, value in case.arguments),
        _all(_methods(entries)),
        _all(f"run {entry.run}" for entry in entries),
    ]
    return ", ".join(part for part in parts if part)


def _input(entry: Entry) -> str:
    case, scenes = entry.case, any("scenes" in item.detail for item in entry.measurements)
    if isinstance(case.options, TrainOptions) and case.options.task == "classify":
        return "folders of images"
    if not scenes and (case.task == "params" or not case.dataset):  # counting reads images only where they matter
        return "random input"
    return f"{case.dataset or 'synthetic'} images"


def _methods(entries: Iterable[Entry]) -> Iterator[str]:
    """Of everything that has a value and could have been found otherwise."""
    for entry in entries:
        yield from (item.method for item in entry.measurements if item.method != "counted" and item.value is not None)


def _all(values: Iterable[str]) -> str:
    return " / ".join(dict.fromkeys(values))
