"""The front page of a folder of reports: the paper's Table 2 beside ours from the fullest report, and a list of all."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from segbench.errors import UserError
from segbench.present.files import FIGURES, TABLES, TEXT
from segbench.present.markdown import to_markdown
from segbench.studies.catalogue import paper_cards
from segbench.studies.evidence import COMMAND, LEDGER, read_entries, report_title
from segbench.studies.readings import assumed_throughout
from segbench.studies.report import newest
from segbench.studies.table2_result import table2

README = "README.md"
_BEST_FIGURE = "table2_ratios"


def front_page(folder: Path) -> str:
    """The page as Markdown.

    Raises:
        UserError: there is no report in the folder.
    """
    reports = reports_in(folder)
    if not reports:
        raise UserError(f"{folder} holds no report; make one with segbench report LEDGER -o {folder}/DATE-QUESTION")
    parts = [
        "# Evidence",
        "Every folder here answers one question: the command, the ledger, the environment, and the tables and figures "
        "made from them. No number is edited by hand: `segbench report REPORT/ledger.jsonl -o REPORT` remakes a report "
        "from its ledger, with an interactive page and all measurements as CSV, `segbench report --front-page FOLDER` "
        "remakes this page, and a test compares. Where there is a `notes.md`, it says how to read the numbers.",
    ]
    best = max(reports, key=lambda report: (_compared(report), _of_today(report)), default=None)
    if best is not None and _compared(best) > 0:
        parts += _paper_beside_ours(best)
    return "\n\n".join([*parts, "## All reports", "\n".join(map(_line, reports))]) + "\n"


def reports_in(folder: Path) -> list[Path]:
    """Every report of the folder, the newest first; `local/` is nobody's evidence."""
    found = [path.parent for path in folder.glob(f"*/{LEDGER}") if path.parent.name != "local"]
    return sorted((path for path in found if (path / TEXT).is_file()), key=lambda path: path.name, reverse=True)


def _compared(report: Path) -> int:
    """How many cells of Table 2 have a number of ours; 0 without that table."""
    path = report / TABLES / "table2.csv"
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        return sum(row["value"] != "" for row in csv.DictReader(file))


def _of_today(report: Path) -> bool:
    """Whether its Table 2 is predicted for the torch that runs."""
    return _compared(report) > 0 and "assume_torch" not in assumed_throughout(read_entries([report / LEDGER]))


def _paper_beside_ours(report: Path) -> list[str]:
    entries = newest(read_entries([report / LEDGER]))
    table = to_markdown(table2(entries, paper_cards())).strip()
    figure = f"{report.name}/{FIGURES}/{_BEST_FIGURE}.svg"
    return [
        table,
        f"![Ratio to HRNetV2: the paper's and ours]({figure})",
        f"From [{report_title(report)}]({report.name}/{TEXT}), made by `{_command(report)}`. Hollow: the paper; "
        "filled: ours, in the colour of the verdict.",
    ]


def _line(report: Path) -> str:
    return f"- {_date(report)}[{report_title(report)}]({report.name}/{TEXT}): `{_command(report)}`"


def _command(report: Path) -> str:
    path = report / COMMAND
    lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()
    commands = [line for line in lines if line and not line.startswith("#")]
    return commands[0] if commands else f"segbench report {report.name}/{LEDGER}"


def _date(report: Path) -> str:
    date = report.name[:10]
    return f"{date}: " if date.replace("-", "").isdigit() else ""
