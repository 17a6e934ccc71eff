"""Every measuring command's own table is in the report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.present.latency import latency_sheets
from segbench.records.ledger import Entry
from segbench.studies.command_tables import command_tables


def test_a_ledger_of_times_has_the_tables_of_latency(timed: Callable[..., Entry]) -> None:
    entries = [timed("hrnetv2", "latency_s", 0.01), timed("segnode", "latency_s", 0.005)]
    tables = command_tables(entries, {})
    assert [table.name for table in tables] == ["latency", "latency_2"]
    sheet = latency_sheets(entries, {})[0]
    assert [[cell.text for cell in row] for row in tables[0].rows] == [list(row) for row in sheet.rows]


@pytest.mark.parametrize("quantity", ["latency_s", "epoch_s"])
def test_one_command_has_no_table_of_another(timed: Callable[..., Entry], quantity: str) -> None:
    names = {table.name for table in command_tables([timed("unet", quantity, 1.0)], {})}
    assert len(names & {"latency", "epoch"}) == 1


def test_an_empty_ledger_has_none() -> None:
    assert command_tables([], {}) == []
