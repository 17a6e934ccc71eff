from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.present.figures import save_figure
from segbench.present.figures_savings import Ratios, savings_figure
from segbench.present.savings import savings_tables
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.records.options import SavingsOptions
from segbench.studies.report import published_savings

MIB = 2**20
Make = Callable[..., Entry]


@pytest.fixture
def way(make_entry: Make) -> Callable[..., Entry]:
    """One way of a network, with what was measured of it."""

    def make(model: str, of: str, *amounts: float, cause: str = "", changes: tuple[str, ...] = ()) -> Entry:
        case = Case("savings", model, modes=("train",), batch_size=2, options=SavingsOptions(of=of))
        if cause:
            refused = Measurement("train_peak_live_bytes", None, "predicted", outcome="unsupported", cause=cause)
            return make_entry(model, refused, case=case)
        predicted, real, time, macs, error = amounts
        small = {"factors": {"width": 64, "height": 64, "batch_size": 2}, "detail": {"changes": list(changes)}}
        rows = [
            Measurement("train_peak_live_bytes", predicted * MIB, "predicted", "train"),
            Measurement("train_peak_live_bytes", real * MIB, "measured:host", "train"),
            Measurement("train_step_s", time, "measured:host", "train"),
            Measurement("extra_macs", macs, "counted", "train"),
            Measurement("gradient_relative_error", error, "measured:host", "train", **small),  # type: ignore[arg-type]
        ]
        return make_entry(model, *rows, case=case)

    return make


@pytest.fixture
def entries(way: Callable[..., Entry]) -> list[Entry]:
    return [
        way("hrnetv2+checkpoint", "hrnetv2", 30, 31, 0.26, 1.0, 0.0),
        way("hrnetv2", "hrnetv2", 100, 101, 0.2, 0.0, 0.0),
        way("hrnetv2+bf16", "hrnetv2", 60, 61, 0.3, 0.0, 4e-3, changes=("nothing",)),
        way("hrnetv2+reversible", "hrnetv2", cause="finds nothing to change"),
        way("segnode", "segnode", 25, 26, 0.5, 0.5, 2e-7),
    ]


def test_ways_are_set_beside_the_plain_network_and_other_networks_stand_below(entries: list[Entry]) -> None:
    sheet, other = savings_tables(entries)
    assert sheet.title == "Memory savings of hrnetv2, batch 2"
    assert sheet.lines() == [
        ["plain", "100 MiB", "1.00", "101 MiB", "1.00", "200 ms", "1.00", "0.00", "0.0e+00", "ok"],
        ["checkpoint", "30.0 MiB", "0.30", "31.0 MiB", "0.31", "260 ms", "1.30", "1.00", "0.0e+00", "ok"],
        ["bf16", "60.0 MiB", "0.60", "61.0 MiB", "0.60", "300 ms", "1.50", "0.00", "4.0e-03", "ok"],
        ["reversible", *["-"] * 8, "unsupported"],
        ["segnode instead", "25.0 MiB", "0.25", "26.0 MiB", "0.26", "500 ms", "2.50", "0.50", "2.0e-07", "ok"],
    ]
    assert any("2 images of 64x64" in note for note in sheet.notes)
    peak = "train_peak_live_bytes"
    assert f"memory predicted: {peak}; memory measured: {peak}; ratio: to plain" in sheet.notes
    assert "reversible: finds nothing to change" in sheet.notes
    assert other.lines()[-1][:3] == ["hrnetv2 instead", "100 MiB", "4.00"]


def test_the_figure_marks_what_no_other_way_beats_and_the_paper_s_two(entries: list[Entry], tmp_path: Path) -> None:
    figure = savings_figure(entries, {"SegNode, paper": Ratios(1.9, 0.4)})
    assert figure is not None
    assert [[row[0], row[3], row[4]] for row in figure.rows] == [
        ["hrnetv2+checkpoint", "yes", "measured"],
        ["hrnetv2 plain", "yes", "measured"],
        ["hrnetv2+bf16", "no", "measured"],
        ["segnode plain", "yes", "measured"],
        ["SegNode, paper", "", "published"],
    ]
    assert figure.rows[0][1:3] == pytest.approx([1.3, 31 / 101])
    assert {path.suffix for path in save_figure(figure, tmp_path)} == {".png", ".csv", ".svg"}


def test_without_times_there_is_no_figure(entries: list[Entry]) -> None:
    assert savings_figure(entries[:1], {}) is None


def test_the_paper_s_points_are_table_2_s() -> None:
    found = published_savings()
    assert found["HRNetV2, paper"] == Ratios(1.0, 1.0)
    assert found["SegNode, paper"] == Ratios(pytest.approx(34 / 18), pytest.approx(13.4 / 31.1))
