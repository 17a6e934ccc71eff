"""`ledger list|show|export|merge`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from segbench.records.ledger import Ledger
from segbench.records.merging import identity

if TYPE_CHECKING:
    from tests.cli.conftest import FakeMachine

Segbench = Callable[..., Result]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def measured(machine: FakeMachine, segbench: Segbench) -> Segbench:
    """A run of memory on two networks, then one of latency on one."""
    segbench("memory", "-m", "segnode", "-m", "unet", "--device", "cpu")
    segbench("latency", "-m", "unet", "--device", "cpu")
    return segbench


def test_list_has_a_line_a_run(measured: Segbench) -> None:
    text = flat(measured("ledger", "list").stdout)
    assert "2 runs, 5 cells" in text
    assert "memory segnode, unet Test CPU 4" in text
    assert "latency unet Test CPU 1" in text


def test_show_tells_the_last_run_or_what_is_asked_for(measured: Segbench) -> None:
    last = flat(measured("ledger", "show").stdout)
    assert "latency_s 10.0 ms" in last and "peak" not in last
    assert "train_peak_live_bytes" in measured("ledger", "show", "segnode").stdout
    assert "train_peak_live_bytes" in measured("ledger", "show", "task=memory,unet").stdout
    assert "no GPU here" in last


def test_show_as_csv_is_tidy_rows(measured: Segbench) -> None:
    assert measured("ledger", "show", "--format", "csv").stdout.startswith("run,model,quantity,value,unit")


def test_a_word_of_digits_is_the_beginning_of_a_run_and_not_a_count(measured: Segbench) -> None:
    run = Ledger(Path("segbench-runs")).entries()[0].run
    assert "segnode" in measured("ledger", "show", run[:15]).stdout
    wrong = measured("ledger", "show", "1")
    assert wrong.exit_code == 2 and "no network or run '1'" in flat(wrong.stderr)
    assert "train_peak_live_bytes" in measured("ledger", "show", "last-1").stdout


def test_an_unknown_format_is_refused(measured: Segbench) -> None:
    for command in ("list", "show"):
        result = measured("ledger", command, "--format", "xml")
        assert result.exit_code == 2 and "no format 'xml'" in result.stderr


def test_export_writes_all_or_a_part(measured: Segbench) -> None:
    assert measured("ledger", "export", "--export-csv", "all.csv", "--export-json", "all.json").exit_code == 0
    rows = list(csv.DictReader(Path("all.csv").read_text().splitlines()))
    assert {row["model"] for row in rows} == {"segnode", "unet"}
    assert len(json.loads(Path("all.json").read_text())) == len(rows)
    measured("ledger", "export", "segnode", "--export-csv", "part.csv")
    assert {row["model"] for row in csv.DictReader(Path("part.csv").read_text().splitlines())} == {"segnode"}
    nothing = measured("ledger", "export")
    assert nothing.exit_code == 2 and "nothing to write" in nothing.stderr


def test_merging_twice_adds_once(measured: Segbench) -> None:
    assert "5 cells added to 0" in measured("ledger", "merge", "segbench-runs", "--into", "all").stderr
    assert "0 cells added to 5" in measured("ledger", "merge", "segbench-runs", "segbench-runs", "--into", "all").stderr
    both = [{identity(entry) for entry in Ledger(Path(name)).entries()} for name in ("all", "segbench-runs")]
    assert both[0] == both[1] and len(both[0]) == 5


def test_other_settings_are_refused_unless_kept_apart(measured: Segbench) -> None:
    for entry in Ledger(Path("segbench-runs")).entries():
        assert entry.environment is not None
        Ledger(Path("elsewhere")).append(replace(entry, environment=replace(entry.environment, host="4567")))
    refused = measured("ledger", "merge", "segbench-runs", "elsewhere", "--into", "all")
    assert refused.exit_code == 2
    assert 'has host "0123" and "4567"' in flat(refused.stderr)
    assert Ledger(Path("all")).entries() == []
    assert measured("ledger", "merge", "segbench-runs", "elsewhere", "--into", "all", "--keep-apart").exit_code == 0
    entries = Ledger(Path("all")).entries()
    assert len(entries) == 10
    assert len({entry.key for entry in entries}) == 10


def test_an_older_record_without_what_was_added_later_still_loads(measured: Segbench) -> None:
    path = Path("segbench-runs/ledger.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["unheard_of"] = 1
        del line["case"]["compile"], line["case"]["options"], line["environment"]["notes"]
        for item in line["measurements"]:
            del item["detail"], item["warmup"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert measured("ledger", "list").exit_code == 0
    assert "latency_s" in measured("ledger", "show").stdout


def test_a_ledger_that_is_not_there_is_one_sentence(segbench: Segbench) -> None:
    for arguments in (("list",), ("show",), ("merge", "nowhere", "--into", "all")):
        result = segbench("ledger", *arguments)
        assert result.exit_code == 2
        assert "there is no ledger" in result.stderr
