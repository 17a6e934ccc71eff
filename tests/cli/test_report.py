"""`segbench report`: folders and files in, one folder out, and mistakes in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement

Run = Callable[..., Result]


@pytest.fixture
def ledger(tmp_path: Path, make_entry: Callable[..., Entry]) -> Path:
    book = Ledger(tmp_path / "runs")
    book.append(make_entry("unet", Measurement("parameters", 31e6, "counted")))
    return tmp_path / "runs"


def test_a_ledger_becomes_a_folder_of_text_tables_figures_and_a_page(segbench: Run, ledger: Path) -> None:
    result = segbench("report", str(ledger), "-o", "out", "--title", "My networks")
    assert result.exit_code == 0, result.output
    for name in ("report.md", "report.html", "measurements.csv", "ledger.jsonl", "environment.json", "command.txt"):
        assert Path("out", name).is_file()
    assert Path("out/report.md").read_text().startswith("# My networks\n")
    assert "open out/report.html" in result.stderr


def test_a_report_keeps_its_title_and_command_only_when_made_of_its_own_ledger(
    segbench: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["segbench", "report", "first"])
    segbench("report", str(ledger), "-o", "out", "--title", "My networks")
    monkeypatch.setattr("sys.argv", ["segbench", "report", "second"])
    segbench("report", "out/ledger.jsonl", "-o", "out")
    assert Path("out/report.md").read_text().startswith("# My networks\n")
    assert Path("out/command.txt").read_text() == "segbench report first\n"
    segbench("report", str(ledger), "-o", "out")
    assert Path("out/report.md").read_text().startswith("# Out\n")
    assert Path("out/command.txt").read_text() == "segbench report second\n"


def test_a_ledger_reported_where_it_lies_is_left_as_it_is(segbench: Run, ledger: Path) -> None:
    path = ledger / "ledger.jsonl"
    with path.open("a") as file:
        file.write('{"half": ')
    before = path.read_bytes()
    result = segbench("report", str(ledger), "-o", str(ledger))
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == before, "a command may be appending to it"
    assert "line 2: not a whole record" in " ".join(result.stderr.split())


def test_an_entry_whose_details_are_damaged_is_skipped_and_named(
    segbench: Run, ledger: Path, make_entry: Callable[..., Entry]
) -> None:
    damaged = Measurement("miou", 0.5, "measured:host", detail={"weights": 7})
    scored = Case("evaluate", "segnode", dataset="camvid", split="val")
    Ledger(ledger).append(make_entry("segnode", damaged, case=scored))
    result = segbench("report", str(ledger), "-o", "out")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "evaluate of segnode (run 20261121-101500-abcdef-01): its details are none that this segbench knows" in said
    assert "unet" in Path("out/report.md").read_text() and len(Ledger(Path("out")).entries()) == 2


def test_the_front_page_lists_the_reports(segbench: Run, ledger: Path) -> None:
    segbench("report", str(ledger), "-o", "reports/2026-11-21-parameters")
    assert segbench("report", "--front-page", "reports").exit_code == 0
    assert "2026-11-21: [Parameters]" in Path("reports/README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((), "name a ledger"), (("runs",), "say where the report goes"), (("nowhere", "-o", "out"), "is not there"),
     (("--front-page", "."), "holds no report")],
)  # fmt: skip
def test_mistakes_are_one_sentence(segbench: Run, ledger: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = segbench("report", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_folder_that_cannot_be_written_is_named(segbench: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = segbench("report", str(ledger), "-o", "taken")
    assert result.exit_code == 2
    assert "taken" in result.stderr
    assert "choose -o DIR" in result.stderr
