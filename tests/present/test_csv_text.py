"""CSV: raw numbers and a unit a column, and no cell that a spreadsheet runs."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segbench.present.csv_text import csv_text, safe, table_csv
from segbench.present.formats import BYTES, POINTS_INTERVAL, SECONDS, of_unit, spread
from segbench.present.table import Cell, Column, Table, table_of
from segbench.statistics.verdicts import Judgement


def read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table_csv(table))))


def test_numbers_are_raw_and_headings_have_the_unit() -> None:
    table = table_of("T", ["network", Column("per image", SECONDS), "outcome"], [["unet", 0.0123456789, "ok"]])
    assert table_csv(table) == "network,per image [second],outcome\nunet,0.0123456789,ok\n"


def test_what_is_missing_is_empty_whatever_is_shown_for_it() -> None:
    rows = [["unet", None], ["psp", Cell(None, label="nothing")]]
    assert table_csv(table_of("T", ["network", Column("peak", BYTES)], rows)).endswith("unet,\npsp,\n")


def test_an_interval_has_a_field_an_end() -> None:
    columns = [
        "network",
        *(Column("time", SECONDS), Column("95 %", spread("second"), "time")),
        Column("drop", POINTS_INTERVAL),
    ]
    table = table_of("T", columns, [["unet", 1.0, (1.0, 0.9, 1.2), (0.01, 0.02)]])
    assert table.lines() == [["unet", "1.00 s", "±15 %", "+1.0 to +2.0"]]
    (row,) = read(table)
    assert (row["time [second]"], row["time low [second]"], row["time high [second]"]) == ("1.0", "0.9", "1.2")
    assert (row["drop low [fraction]"], row["drop high [fraction]"]) == ("0.01", "0.02")


def test_a_column_of_several_units_has_a_field_for_them() -> None:
    rows = [["latency_s", Cell(0.5, of_unit("second"))], ["parameters", Cell(3, of_unit("count"))]]
    assert read(table_of("T", ["quantity", "value"], rows)) == [
        {"quantity": "latency_s", "value": "0.5", "value unit": "second"},
        {"quantity": "parameters", "value": "3", "value unit": "count"},
    ]


def test_beside_the_paper_every_cell_is_a_line_and_nothing_is_left_out() -> None:
    verdict = Judgement("same direction", "because")
    ours = Cell(17.1e9, BYTES, None, 0.748, Cell(13.4e9, ratio=0.431), verdict, "peak", "predicted", "batch 24")
    first = Cell("segnode-paper", label="SegNode")
    table = table_of("T", ["", Column("memory", BYTES), Column("time", SECONDS)], [[first, ours, None]])
    judged, missing = read(table)
    assert (judged["row"], judged["column"], judged["quantity"]) == ("segnode-paper", "memory", "peak")
    assert (judged["value"], judged["unit"], judged["paper_value"]) == ("17100000000.0", "byte", "13400000000.0")
    assert (judged["ratio"], judged["verdict"], judged["standing"]) == ("0.748", "same direction", "predicted")
    assert (judged["why"], judged["conditions"]) == ("because", "batch 24")
    assert (missing["standing"], missing["verdict"]) == ("missing", "")


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-net", "@SUM(A1)", "\tx"])
def test_a_name_that_a_spreadsheet_would_run_is_escaped(name: str) -> None:
    assert safe(name) == f"'{name}"
    (line,) = list(csv.reader(io.StringIO(csv_text(["network"], [[name]]))))[1:]
    assert line == [f"'{name}"]


@pytest.mark.parametrize("value", [-1.5, -3, "-1.5", "+2", "-1e-7", None, "unet", "a=b"])
def test_numbers_and_usual_names_stay_as_they_are(value: object) -> None:
    assert safe(value) == value


@given(st.text("=+-@\t\r\n,\"'a1", max_size=8))
def test_every_text_comes_back_and_none_but_a_number_begins_as_a_formula_does(text: str) -> None:
    _, (found,) = csv.reader(io.StringIO(csv_text(["name"], [[text]]), newline=""))
    assert found.removeprefix("'") == text.replace("\r", " ").removeprefix("'")
    if found[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(found)
