"""Tables of a report: what is shown, raw values in files, marks in text."""

from __future__ import annotations

from segbench.present.table import Cell, Table, table_csv, table_sheet

ROWS = [[Cell("unet"), Cell("1.19", 1.1875, "why", "contradicted")], [Cell("segnode"), Cell("-")]]
TABLE = Table("t", "A table", ["network", "ratio"], ROWS)


def test_text_has_the_verdicts_mark() -> None:
    assert table_sheet(TABLE).rows == [["unet", "1.19 ✗"], ["segnode", "-"]]


def test_files_have_the_raw_value() -> None:
    assert table_csv(TABLE) == "network,ratio\nunet,1.1875\nsegnode,-\n"
