"""A plan as a table and as lines: the same steps, the same sum."""

from __future__ import annotations

from segbench.present.csv_text import table_csv
from segbench.present.plan import PlannedStep, plan_lines, plan_table

STEPS = [PlannedStep("memory", "no device", 3, 0, 40.0, "by rule"), PlannedStep("times", "cpu", 2, 4, 7200.0, "1 held")]


def test_the_table_ends_with_the_sum() -> None:
    table = plan_table("Plan", STEPS, [])
    assert table.lines()[-1] == ["all", "", "5", "4", "2 h 01 min", ""]
    assert table_csv(table).splitlines()[-1] == "all,,5,4,7240.0,"


def test_the_lines_say_the_same() -> None:
    assert plan_lines(STEPS) == [
        "memory: 3 cells on no device, about 40 s",
        "times: 2 cells on cpu, 4 in the ledger, about 2 h 00 min",
        "all: 5 cells, 4 in the ledger, about 2 h 01 min",
    ]
