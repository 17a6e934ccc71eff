"""Predictions beside measurements whose ratios are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from segbench.present.agreement import agreement_tables
from segbench.present.table import Table
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement

Make = Callable[..., Entry]
MIB = 2**20
PEAKS = {"allocated": 1000, "reserved": 1100, "process": 1600}
"""In MiB, as predicted."""


@pytest.fixture
def told(make_entry: Make) -> Make:
    """A prediction, or what a GPU took: so many times as much."""

    def make(model: str = "unet", factor: float = 1.0, method: str = "predicted", **fields: object) -> Entry:
        on_gpu = method.startswith("measured")
        asked: dict[str, object] = {"batch_size": 24, "modes": ("train",), "optimizer": "sgd", **fields}
        case = Case("memory" if on_gpu else "predict", model, device="cuda:0" if on_gpu else "none", **asked)  # type: ignore[arg-type]
        rows = [
            Measurement(f"train_peak_{kind}_bytes", factor * size * MIB, method, "train")
            for kind, size in PEAKS.items()
        ]
        return make_entry(model, *rows, case=case, key=f"{model}-{method}-{sorted(fields)}")

    return make


def measured(told: Make, *arguments: object, **fields: object) -> Entry:
    return told(*arguments, method="measured:cuda", **fields)


def row(table: Table, number: int = 0) -> dict[str, str]:
    return {column.key: cell.text for column, cell in zip(table.columns, table.rows[number], strict=True)}


def test_a_ratio_is_of_the_predicted_to_the_measured(told: Make) -> None:
    (table,) = agreement_tables([told(), measured(told, "unet", 1.25)])
    found = row(table)
    assert found["network"] == "unet"
    assert found["conditions"] == "training, batch 24, fp32, sgd"
    assert (found["allocated predicted"], found["allocated measured"]) == ("1000 MiB", "1.22 GiB")
    assert [found[f"{kind} ratio"] for kind in PEAKS] == ["0.8000"] * 3


def test_the_notes_count_what_is_within_the_goals(told: Make) -> None:
    entries = [told(name) for name in ("unet", "pspnet", "segnode")]
    entries += [measured(told, "unet", 1.005), measured(told, "pspnet", 1 / 1.03), measured(told, "segnode", 1 / 1.2)]
    (table,) = agreement_tables(entries)
    notes = " | ".join(table.notes)
    assert "allocated: 1 of 3 within the goal of 1.0 %; farthest 20.0 %: segnode, training" in notes
    assert "reserved: 2 of 3 within the goal of 5.0 %" in notes


def test_the_context_is_what_the_process_held_outside_the_allocator(told: Make) -> None:
    (table,) = agreement_tables([told(), measured(told, "unet", 0.9)])
    assert "context: 450 MiB to 450 MiB measured, 500 MiB assumed" in table.notes


@pytest.mark.parametrize(
    "fields", [{"batch_size": 8}, {"precision": "bf16"}, {"channels_last": True}, {"optimizer": "adamw"}, {"width": 64}]
)
def test_only_the_same_conditions_are_compared(told: Make, fields: dict[str, object]) -> None:
    assert agreement_tables([told(**fields), measured(told)]) == []
    assert len(agreement_tables([told(**fields), measured(told, **fields)])) == 1


def test_nothing_is_said_to_agree_that_was_not_measured_on_a_gpu(told: Make) -> None:
    prediction = told()
    on_cpu = replace(prediction, case=replace(prediction.case, task="memory", device="cpu", options=None))
    failed = replace(measured(told), outcome="does_not_fit")
    assert agreement_tables([prediction]) == []
    assert agreement_tables([prediction, on_cpu, failed]) == []


def test_the_newest_prediction_counts(told: Make) -> None:
    (table,) = agreement_tables([told("unet", 3.0), told("unet", 2.0), measured(told, "unet", 1.0)])
    assert row(table)["allocated ratio"] == "2.0000"


def test_a_predicted_batch_stands_beside_the_bracket_that_was_proven(make_entry: Make) -> None:
    case = Case("max_batch", "unet", device="none", modes=("train",), budget_bytes=10**9)
    tries = [{"size": size, "verdict": "fits", "bytes": 1} for size in (36, 37, 38)]
    predicted = make_entry("unet", Measurement("max_batch", 38, "predicted", "train"), case=case, key="a")
    rows = [
        Measurement("max_batch", 36, "measured:cuda", "train", detail={"tries": tries}),
        Measurement("max_batch_fails_at", 37, "measured:cuda", "train", detail={"tries": tries}),
    ]
    proven = make_entry("unet", *rows, case=replace(case, device="cuda:0"), key="b")
    (table,) = agreement_tables([predicted, proven])
    assert [cell.text for cell in table.rows[0]] == ["unet", "training", "38", "36", "37", "3"]
    assert table.notes[1] == "1 of 1 searches took at most 4 tries, the goal"
