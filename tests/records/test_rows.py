from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segbench.cards.card import ModelCard, Reference
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.rows import EXPORT_COLUMNS, read_ledger, tidy_rows

CARD = ModelCard(
    title="U-Net",
    builder="a:B",
    reference=(
        Reference(quantity="train_peak_memory", value=21.8, unit="GB", source="Table 2", device="V100", batch_size=24),
        Reference(quantity="miou", value=80.0, unit="percent", source="Table 1", dataset="lip"),
    ),
)


def test_every_row_has_exactly_the_columns(make_entry: Callable[..., Entry]) -> None:
    rows = tidy_rows([make_entry("unet", Measurement("parameters", 7, "counted"))])
    assert list(rows[0]) == EXPORT_COLUMNS
    assert rows[0]["value"] == 7
    assert rows[0]["samples"] == 1


def test_a_published_number_comes_with_its_conditions(make_entry: Callable[..., Entry]) -> None:
    entry = make_entry("unet", Measurement("train_peak_reserved_bytes", 1, "predicted", mode="train"))
    row = tidy_rows([entry], {"unet": CARD})[0]
    assert (row["reference_value"], row["reference_unit"]) == (21.8, "GB")
    assert row["reference_conditions"] == "V100, batch 24"


def test_accuracy_is_set_beside_its_own_data_set_only(make_entry: Callable[..., Entry]) -> None:
    score = Measurement("miou", 0.5, "measured:host")
    camvid, lip = (make_entry("unet", score, case=Case("evaluate", "unet", dataset=name)) for name in ("camvid", "lip"))
    rows = tidy_rows([camvid, lip], {"unet": CARD})
    assert [row["reference_value"] for row in rows] == [None, 80.0]


def test_factors_of_a_measurement_replace_those_of_its_case(make_entry: Callable[..., Entry]) -> None:
    entry = make_entry("segnode", Measurement("miou", 0.5, "measured:host", factors={"t_end": 0.5}))
    assert tidy_rows([entry])[0]["t_end"] == 0.5


def test_a_cell_that_died_leaves_one_row_with_the_cause(make_entry: Callable[..., Entry]) -> None:
    case = Case("memory", "unet", modes=("infer",))
    row = tidy_rows([make_entry("unet", outcome="timed_out", cause="no answer", case=case)])[0]
    assert row["quantity"] == "infer_peak_live_bytes"
    assert (row["value"], row["outcome"], row["cause"], row["samples"]) == (None, "timed_out", "no answer", 0)


def test_a_ledger_reads_as_a_data_frame(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    Ledger(tmp_path).append(make_entry("unet", Measurement("parameters", 7, "counted")))
    frame = read_ledger(tmp_path)
    assert list(frame.columns) == EXPORT_COLUMNS
    assert frame["value"].tolist() == [7]
