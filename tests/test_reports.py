"""Committed evidence: every report's tables and figures' data are what its ledger gives today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segbench.present.csv_text import table_csv
from segbench.present.figures import figure_csv
from segbench.present.files import FIGURES, TABLES
from segbench.present.report import Report
from segbench.studies.evidence import COMMAND, ENVIRONMENT, LEDGER, read_entries, report_title
from segbench.studies.front_page import README, front_page, reports_in
from segbench.studies.report import report_of

ROOT = Path(__file__).resolve().parents[1] / "reports"
REPORTS = sorted(reports_in(ROOT))

pytestmark = pytest.mark.skipif(not REPORTS, reason="no reports beside the tests, as in an installed package")


def remade(folder: Path) -> Report:
    return report_of(read_entries([folder / LEDGER]), report_title(folder))


@pytest.fixture(scope="module", params=REPORTS, ids=lambda path: path.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def files(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.csv")}


def test_the_ledger_gives_the_tables_and_the_figures_data(folder: Path) -> None:
    """If this fails: segbench report reports/NAME/ledger.jsonl -o reports/NAME."""
    report = remade(folder)
    assert files(folder / TABLES) == {table.name: table_csv(table) for table in report.every_table}
    assert files(folder / FIGURES) == {figure.name: figure_csv(figure) for figure in report.figures}


def test_the_evidence_is_whole(folder: Path) -> None:
    for name in (COMMAND, ENVIRONMENT, LEDGER, "report.md"):
        assert (folder / name).is_file()
    assert not list(folder.glob("*.lock"))


def test_every_figure_that_is_shown_is_there(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert len(shown) == len(remade(folder).figures)
    assert [name for name in shown if not (folder / name).is_file()] == []


def test_nothing_in_it_names_a_machine(folder: Path) -> None:
    text = "".join((folder / name).read_text(encoding="utf-8") for name in (COMMAND, ENVIRONMENT, LEDGER))
    assert "/home/" not in text
    assert "/root/" not in text
    assert "/tmp/" not in text
    options = [value for entry in read_entries([folder / LEDGER]) for _, value in entry.case.options]
    assert [value for value in options if isinstance(value, str) and value.startswith("/")] == []


def test_the_front_page_is_what_the_reports_give() -> None:
    """If this fails: segbench report --front-page reports."""
    assert (ROOT / README).read_text(encoding="utf-8") == front_page(ROOT)
