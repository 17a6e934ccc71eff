"""A report's folder: remade from its own ledger it is the same, and its front page lists it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.options import EvaluateOptions
from segbench.studies.evidence import read_entries, report_title, write_evidence
from segbench.studies.front_page import front_page, reports_in
from segbench.studies.report import newest, report_of

Make = Callable[..., list[Entry]]
_REMADE = (".csv", ".tex", ".md", ".html", ".json", ".jsonl", ".txt", ".svg")


@pytest.fixture
def folder(tmp_path: Path, paper_entries: Make) -> Path:
    place = tmp_path / "2026-11-28-table2-predicted"
    write_evidence(paper_entries(), place, "Table 2, predicted", "segbench reproduce table2 --device none")
    return place


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.suffix in _REMADE}


def test_a_report_remade_from_its_own_ledger_is_the_same(folder: Path) -> None:
    before = contents(folder)
    write_evidence(read_entries([folder / "ledger.jsonl"]), folder)
    after = contents(folder)
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_the_folder_holds_command_environment_ledger_tables_and_figures(folder: Path) -> None:
    assert (folder / "command.txt").read_text() == "segbench reproduce table2 --device none\n"
    assert '"torch": "2.13.0"' in (folder / "environment.json").read_text()
    assert len(Ledger(folder / "ledger.jsonl").entries()) == 28
    assert (folder / "tables" / "table2.tex").read_text().startswith("% Made by segbench")
    assert (folder / "figures" / "table2_ratios.csv").read_text().startswith("column,network,ours,paper,verdict\n")


def test_what_an_earlier_report_left_in_its_tables_goes(folder: Path) -> None:
    (folder / "tables" / "old.csv").write_text("stale")
    write_evidence(read_entries([folder / "ledger.jsonl"]), folder)
    assert not (folder / "tables" / "old.csv").exists()


def test_another_ledger_brings_its_own_title_and_command(folder: Path, make_entry: Callable[..., Entry]) -> None:
    other = make_entry("unet", Measurement("parameters", 31e6, "counted"), case=Case("params", "unet"))
    write_evidence([other], folder, command="segbench report elsewhere -o DIR")
    assert report_title(folder) == "Table2 predicted"
    assert (folder / "command.txt").read_text() == "segbench report elsewhere -o DIR\n"
    assert not (folder / "tables" / "table2.csv").exists()


@pytest.mark.parametrize("place", ["tables", "figures"])
def test_files_that_are_not_a_reports_are_never_replaced(tmp_path: Path, paper_entries: Make, place: str) -> None:
    drawing = tmp_path / "paper" / place / "my_figure.svg"
    drawing.parent.mkdir(parents=True)
    drawing.write_text("mine")
    with pytest.raises(UserError, match=r"my_figure.svg would be replaced"):
        write_evidence(paper_entries(), tmp_path / "paper", command="segbench report ...")
    assert drawing.read_text() == "mine"


def test_a_report_without_its_page_and_measurements_is_remade(folder: Path) -> None:
    before = contents(folder)
    for name in ("report.html", "measurements.csv"):
        (folder / name).unlink()
    write_evidence(read_entries([folder / "ledger.jsonl"]), folder)
    assert contents(folder) == before


def test_a_title_is_kept_or_made_of_the_folders_name(folder: Path, tmp_path: Path) -> None:
    assert report_title(folder) == "Table 2, predicted"
    assert report_title(tmp_path / "2026-11-21-largest-batch") == "Largest batch"


def test_several_ledgers_are_joined_without_doubling(folder: Path) -> None:
    once = read_entries([folder / "ledger.jsonl"])
    assert read_entries([folder, folder / "ledger.jsonl"]) == once


def test_a_missing_ledger_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        read_entries([tmp_path / "nowhere"])


def test_the_newest_answer_of_a_case_counts_and_a_later_failure_does_not(make_entry: Callable[..., Entry]) -> None:
    def entry(value: float | None, outcome: str = "ok") -> Entry:
        rows = [Measurement("parameters", value, "counted")] if value else []
        return make_entry("unet", *rows, outcome=outcome)

    old, good, failed = entry(1), entry(2), entry(None, "crashed")
    assert newest([old, good, failed]) == [good]
    assert newest([failed]) == [failed]


def test_the_front_page_shows_the_fullest_comparison_and_lists_all(
    folder: Path, tmp_path: Path, make_entry: Callable[..., Entry]
) -> None:
    other = make_entry("unet", Measurement("parameters", 1e6, "counted"), case=Case("params", "unet"))
    write_evidence([other], tmp_path / "2026-11-20-parameters")
    text = front_page(tmp_path)
    assert "## Table 2 beside ours" in text
    assert "(2026-11-28-table2-predicted/figures/table2_ratios.svg)" in text
    assert [path.name[:10] for path in reports_in(tmp_path)] == ["2026-11-28", "2026-11-20"]
    assert "- 2026-11-20: [Parameters](2026-11-20-parameters/report.md)" in text


def test_local_reports_are_no_evidence(tmp_path: Path, paper_entries: Make) -> None:
    write_evidence(paper_entries(), tmp_path / "local")
    with pytest.raises(UserError, match="holds no report"):
        front_page(tmp_path)


def test_the_ledger_of_a_report_does_not_tell_where_files_lay(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    case = Case("evaluate", "/secret/place/net.py:Net")
    case = case.with_options(checkpoint="/secret/place/runs/best.safetensors", overlays=2, folder="runs/unet")
    write_evidence([make_entry("unet", Measurement("parameters", 31e6, "counted"), case=case)], tmp_path / "out")
    (entry,) = read_entries([tmp_path / "out"])
    assert entry.case.model == "net.py:Net"
    assert entry.case.options == EvaluateOptions(checkpoint="runs/best.safetensors", overlays=2, folder="runs/unet")


def test_a_report_shows_a_table_beside_the_paper_only_with_numbers_of_ours(
    paper_entries: Make, make_entry: Callable[..., Entry]
) -> None:
    assert [table.name for table in report_of(paper_entries(), "t").judged] == ["table2", "claims"]
    small = make_entry("unet-w8", Measurement("parameters", 1e6, "counted"), case=Case("params", "unet-w8"))
    report = report_of([small], "t")
    assert (list(report.judged), list(report.reasons)) == ([], [])
    assert report.rows[0]["model"] == "unet-w8"


def test_one_quantity_alone_makes_no_table_2(make_entry: Callable[..., Entry]) -> None:
    rows = [
        make_entry(name, Measurement("parameters", 1e6, "counted"), key=name, case=Case("params", name))
        for name in ("unet", "hrnetv2")
    ]
    report = report_of(rows, "t")
    assert ([table.name for table in report.judged], [table.name for table in report.tables]) == ([], ["networks"])
