"""The table: raw values that become text only when drawn, two lines a network beside the paper, tallies."""

from __future__ import annotations

import pytest

from segbench.present.formats import BYTES, SECONDS, Format
from segbench.present.markdown import to_markdown
from segbench.present.style import MARKS
from segbench.present.table import Cell, Column, Table, table_of, without_empty_columns
from segbench.statistics.verdicts import VERDICTS, Judgement


@pytest.fixture
def beside() -> Table:
    """Two networks and two quantities: one judged, one only published, one beside the paper, one missing."""
    rows = [
        [
            Cell("segnode-paper", label="SegNode"),
            Cell(2**34, BYTES, None, 0.748, Cell(2**33, BYTES, None, 0.431), Judgement("same direction", "because")),
            Cell(None, SECONDS, paper=Cell(0.117, SECONDS, ratio=2.44), judgement=Judgement("missing", "no device")),
        ],
        [Cell("segnode", label="ours"), Cell(2**32, BYTES, None, 0.303, Cell(2**33, BYTES, None, 0.431)), Cell()],
    ]
    order = Judgement("contradicted", "tau -0.07 over 6 networks; the other way round: a and b")
    footer = [Cell("order"), Cell(-0.07, Format("", "tau {:+.2f}".format), judgement=order), Cell()]
    columns = [Column(""), Column("memory", BYTES, "train_memory"), Column("time", SECONDS)]
    return Table("A table", columns, rows, ["a note"], "t", footer)


def test_values_are_drawn_by_their_columns_and_names_stay_names() -> None:
    table = table_of("T", ["network", Column("peak", BYTES), "outcome"], [["unet", 2**30, "ok"], ["psp", None, "no"]])
    assert table.rows[0][1].value == 2**30
    assert table.lines() == [["unet", "1.00 GiB", "ok"], ["psp", "-", "no"]]


def test_a_cell_of_its_own_unit_or_with_a_label_is_drawn_so() -> None:
    table = table_of("T", ["a", Column("b", BYTES)], [["x", Cell(0.5, SECONDS)], ["y", Cell(None, label="nothing")]])
    assert table.lines() == [["x", "500 ms"], ["y", "nothing"]]


def test_a_column_without_a_value_can_go() -> None:
    table = table_of("T", ["a", "b", "c"], [["x", None, "1"], ["y", "", "2"]])
    assert without_empty_columns(table).headings == ["a", "c"]


def test_ours_stand_above_the_papers_with_ratios_and_the_verdicts_mark(beside: Table) -> None:
    assert beside.lines() == [
        ["SegNode", "16.0 GiB (0.75)", "-"],
        ["  paper", "8.00 GiB (0.43) ≈", "117 ms (2.44) ·"],
        ["ours", "4.00 GiB (0.30)", "-"],
        ["order", "tau -0.07 ✗", "-"],
    ]


def test_without_the_paper_the_mark_is_beside_the_value() -> None:
    cell = Cell(2**30, judgement=Judgement("contradicted", "why"))
    table = table_of("T", ["network", Column("peak", BYTES)], [["unet", cell]])
    assert table.lines() == [["unet", "1.00 GiB ✗"]]


def test_the_notes_end_with_the_legend_and_the_tally(beside: Table) -> None:
    notes = beside.all_notes()
    assert notes[0] == "a note"
    assert "≈ same direction" in notes[-1]
    assert "1 same direction" in notes[-1]


def test_every_verdict_has_a_mark_of_its_own_and_is_counted(beside: Table) -> None:
    assert set(MARKS) == set(VERDICTS) == set(beside.tally())
    assert len(set(MARKS.values())) == len(MARKS)
    assert sum(beside.tally().values()) == 2


def test_cells_are_found_by_row_and_column(beside: Table) -> None:
    assert beside.cells["segnode", "train_memory"].text == "4.00 GiB"
    assert [cell.standing for cell in beside.cells.values()] == ["", "published", "", "missing"]


def test_markdown_is_a_table_of_equal_rows(beside: Table) -> None:
    lines = [line for line in to_markdown(beside).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {4}


def test_markdown_escapes_what_would_break_the_table() -> None:
    text = to_markdown(table_of("T", ["network", "peak"], [["a|b", "1 GiB"]], ["on a CPU"]))
    assert "| a\\|b | 1 GiB |" in text
    assert "- on a CPU" in text
