from __future__ import annotations

from collections.abc import Callable

import pytest

from segbench.present.provenance import provenance
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.measurement import Measurement


@pytest.mark.parametrize(
    ("task", "dataset", "scenes", "said"),
    [
        ("params", None, False, "random input"),
        ("params", "camvid", False, "random input"),
        ("params", None, True, "synthetic images"),
        ("params", "camvid", True, "camvid images"),
        ("latency", "camvid", False, "camvid images"),
        ("latency", None, True, "synthetic images"),
    ],
)
def test_the_input_is_what_was_read(
    make_entry: Callable[..., Entry], task: str, dataset: str | None, scenes: bool, said: str
) -> None:
    row = Measurement("macs", 1, "counted", detail={"scenes": {"mean": 1}} if scenes else {})
    assert said in provenance([make_entry("net", row, case=Case(task, "net", dataset=dataset))])
