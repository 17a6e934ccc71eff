"""Judged tables as text: two lines a network, marks, tallies, and files that leave nothing out."""

from __future__ import annotations

import csv
import io

import pytest

from segbench.present.judged import MARKS, JudgedCell, JudgedTable, judged_csv, judged_sheet
from segbench.present.sheet import to_markdown
from segbench.statistics.verdicts import VERDICTS, Judgement


@pytest.fixture
def table() -> JudgedTable:
    cells = {
        ("segnode-paper", "memory"): JudgedCell(
            17.1e9, 13.4e9, "byte", "17.1 GB", "13.4 GB", 0.748, 0.431, Judgement("same direction", "because"),
            "train_peak_reserved_bytes", "predicted", "batch 24",
        ),
        ("segnode-paper", "time"): JudgedCell(
            None, 0.117, "second", paper="117 ms", paper_ratio=2.44, judgement=Judgement("missing", "no device")
        ),
        ("segnode", "memory"): JudgedCell(6.9e9, 13.4e9, "byte", "6.94 GB", "13.4 GB", 0.303, 0.431),
        ("segnode", "time"): JudgedCell(unit="second"),
    }  # fmt: skip
    rows = {"segnode-paper": "SegNode", "segnode": "SegNode, ours"}
    columns = {"memory": "memory", "time": "time"}
    order = Judgement("contradicted", "tau -0.07 over 6 networks; the other way round: a and b")
    return JudgedTable("t", "A table", rows, columns, cells, {"memory": order}, ["a note"])


def test_ours_stand_above_the_papers_with_ratios_and_the_verdicts_mark(table: JudgedTable) -> None:
    assert judged_sheet(table).rows == [
        ["SegNode", "17.1 GB (0.75)", "-"],
        ["  paper", "13.4 GB (0.43) ≈", "117 ms (2.44) ·"],
        ["SegNode, ours", "6.94 GB (0.30)", "-"],
        ["order", "tau -0.07 ✗", ""],
    ]


def test_the_notes_end_with_the_legend_and_the_tally(table: JudgedTable) -> None:
    notes = judged_sheet(table).notes
    assert notes[0] == "a note"
    assert "≈ same direction" in notes[-1]
    assert "1 same direction" in notes[-1]


def test_every_verdict_has_a_mark_of_its_own_and_is_counted(table: JudgedTable) -> None:
    assert set(MARKS) == set(VERDICTS) == set(table.tally())
    assert len(set(MARKS.values())) == len(MARKS)
    assert sum(table.tally().values()) == 2


def test_the_file_has_one_line_a_cell_with_raw_values(table: JudgedTable) -> None:
    rows = list(csv.DictReader(io.StringIO(judged_csv(table))))
    assert len(rows) == 4
    assert rows[0]["value"] == "17100000000.0"
    assert (rows[0]["ratio"], rows[0]["verdict"], rows[0]["standing"]) == ("0.748", "same direction", "predicted")
    assert (rows[1]["standing"], rows[1]["why"]) == ("published", "no device")
    assert (rows[3]["standing"], rows[3]["verdict"]) == ("missing", "")


def test_markdown_is_a_table_of_equal_rows(table: JudgedTable) -> None:
    lines = [line for line in to_markdown(judged_sheet(table)).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {4}
