"""A table on a narrow terminal: long lines rather than lost names and cut numbers."""

from __future__ import annotations

from rich.console import Console

from segbench.present.table import Table, table_of
from segbench.present.terminal import least_width, to_terminal

NAMES = [f"network-number-{number}" for number in range(9)]
WIDE = table_of(
    "Wide", ["", *NAMES, "outcome"], [["parameters", *["118.25 MiB"] * 9, "does_not_fit: " + "so long " * 20]]
)


def drawn(table: Table, width: int) -> str:
    console = Console(width=max(width, least_width(table)))
    with console.capture() as capture:
        console.print(to_terminal(table))
    return capture.get()


def test_no_name_and_no_number_is_cut() -> None:
    assert least_width(WIDE) > 80
    lines = drawn(WIDE, 80).splitlines()
    assert [line.split()[:9] for line in lines if "network-number-0" in line] == [NAMES]
    (row,) = (line for line in lines if "parameters" in line)
    assert row.count("118.25 MiB") == 9 and "does_not_fit" in row


def test_a_long_list_in_the_middle_folds_and_leaves_the_others_whole() -> None:
    runs = table_of("Runs", ["run", "networks", "device"], [["20261121-101500-ab12", ", ".join(NAMES), "Test CPU"]])
    assert least_width(runs) < 80
    text = drawn(runs, 80)
    assert "20261121-101500-ab12" in text and "Test CPU" in text
    assert all(name in "".join(text.split()) for name in ("network-number-0", "network-number-8"))


def test_a_table_without_rows_is_drawn() -> None:
    assert "nothing" in drawn(table_of("nothing", ["network", "ratio"], []), 80)
