"""A ledger made by hand in which every number of Table 2 is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.table2 import LARGEST_BATCH_CONDITIONS

GB = 10**9


@pytest.fixture
def paper_entries(make_entry: Callable[..., Entry]) -> Callable[..., list[Entry]]:
    """Entries whose ratios are the paper's own, with absolute memory halved; changes by model and column."""

    def make(method: str = "predicted", changes: dict[tuple[str, str], float | None] | None = None) -> list[Entry]:
        found = []
        for model, row in _PAPER.items():
            for column, value in row.items():
                value = (changes or {}).get((model, column), value)
                if value is not None:
                    found.append(_entry(make_entry, model, column, value, method))
        return found

    return make


_PAPER = {
    "unet": {"max_batch": 36, "train": 10.9, "infer": 0.4, "parameters": 31.0},
    "pspnet": {"max_batch": 24, "train": 15.6, "infer": 0.4, "parameters": 23.7},
    "deeplabv3": {"max_batch": 24, "train": 15.65, "infer": 0.5, "parameters": 58.6},
    "hrnetv2": {"max_batch": 24, "train": 15.55, "infer": 0.6, "parameters": 65.8},
    "baseline": {"max_batch": 24, "train": 15.95, "infer": 0.6, "parameters": 70.9},
    "segnode-paper": {"max_batch": 62, "train": 6.7, "infer": 0.35, "parameters": 20.9},
    "segnode": {"max_batch": 90, "train": 4.2, "infer": 0.2, "parameters": 20.9},
}


def _entry(make_entry: Callable[..., Entry], model: str, column: str, value: float, method: str) -> Entry:
    task, quantity, mode, unit = {
        "max_batch": ("max_batch", "max_batch", "train", 1),
        "train": ("predict", "train_peak_reserved_bytes", "train", GB),
        "infer": ("predict", "infer_peak_reserved_bytes", "infer", GB),
        "parameters": ("params", "parameters", "infer", 10**6),
    }[column]
    case = Case(task, model, device="none", batch_size=24 if task == "predict" else 1, modes=(mode,))
    case = replace(case, budget_bytes=LARGEST_BATCH_CONDITIONS["budget_bytes"]) if task == "max_batch" else case
    row = Measurement(quantity, value * unit, "counted" if column == "parameters" else method, mode=mode)
    return make_entry(model, row, case=case, key=f"{model}-{column}")


@pytest.fixture
def timed(make_entry: Callable[..., Entry], environment: Environment) -> Callable[..., Entry]:
    """An entry of `latency` or `epoch` on a card or on the CPU."""

    def make(model: str, quantity: str, seconds: float, batch: int = 1, cuda: bool = True) -> Entry:
        task, mode = ("latency", "infer") if quantity == "latency_s" else ("epoch", "train")
        device = "cuda:0" if cuda else "cpu"
        name = "NVIDIA H200" if cuda else "Test CPU"
        row = Measurement(quantity, seconds, "measured:cuda" if cuda else "measured:host", mode=mode)
        return make_entry(
            model,
            row,
            case=Case(task, model, device=device, batch_size=batch, modes=(mode,)),
            key=f"{model}-{quantity}-{device}",
            environment=replace(environment, device=device, device_name=name),
        )

    return make
