"""Every measuring command's own table is in the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from segbench.present.latency import latency_tables
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement
from segbench.studies.command_tables import command_tables


def test_a_ledger_of_times_has_the_tables_of_latency(timed: Callable[..., Entry]) -> None:
    entries = [timed("hrnetv2", "latency_s", 0.01), timed("segnode", "latency_s", 0.005)]
    tables = command_tables(entries, {})
    assert [table.name for table in tables] == ["latency", "latency_2"]
    sheet = latency_tables(entries, {})[0]
    assert tables[0].lines() == sheet.lines()


@pytest.mark.parametrize("quantity", ["latency_s", "epoch_s"])
def test_one_command_has_no_table_of_another(timed: Callable[..., Entry], quantity: str) -> None:
    names = {table.name for table in command_tables([timed("unet", quantity, 1.0)], {})}
    assert len(names & {"latency", "epoch"}) == 1


def test_an_empty_ledger_has_none() -> None:
    assert command_tables([], {}) == []


def test_times_of_two_sizes_are_two_tables_with_ratios_of_their_own(timed: Callable[..., Entry]) -> None:
    def at(width: int, *entries: Entry) -> list[Entry]:
        return [replace(entry, case=replace(entry.case, width=width)) for entry in entries]

    large = at(480, timed("hrnetv2", "latency_s", 0.02), timed("segnode", "latency_s", 0.01))
    small = at(240, timed("hrnetv2", "latency_s", 0.01), timed("segnode", "latency_s", 0.01))
    tables = [table for table in command_tables([*large, *small], {}) if table.title.startswith("Latency, ")]
    assert [table.title for table in tables] == ["Latency, batch 1: 480x360", "Latency, batch 1: 240x360"]
    ratio = tables[0].headings.index("x hrnetv2")
    assert [[row[ratio].text for row in table.rows] for table in tables] == [["1.00", "0.50"], ["1.00", "1.00"]]


def test_evaluations_of_two_data_sets_have_their_own_classes(make_entry: Callable[..., Entry]) -> None:
    def evaluated(dataset: str, name: str) -> Entry:
        protocol = {"name": "single", "width": 8, "height": 8, "scales": [1.0], "flip": False, "window": None}
        detail = {"iou": {name: 0.5}, "images": 1, "protocol": protocol}
        case = Case("evaluate", "unet", dataset=dataset, split="val")
        return make_entry("unet", Measurement("miou", 0.5, "measured:host", detail=detail), case=case, key=dataset)

    tables = command_tables([evaluated("camvid", "pavement"), evaluated("cityscapes", "sidewalk")], {})
    assert [table.title for table in tables if table.headings[0] == "class"] == [
        "IoU by class: camvid val", "IoU by class: cityscapes val",
    ]  # fmt: skip
