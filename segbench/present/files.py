"""Writes a report into a folder: Markdown, CSV and LaTeX of every table, figures with their data, and the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from segbench.errors import UserError
from segbench.present.csv_text import table_csv
from segbench.present.export import as_csv
from segbench.present.figures import save_figure
from segbench.present.latex import to_latex
from segbench.present.markdown import to_markdown
from segbench.present.page.page import page_html
from segbench.present.report import Report

PAGE, TEXT, MEASUREMENTS = "report.html", "report.md", "measurements.csv"
TABLES, FIGURES = "tables", "figures"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Writes everything; what an earlier report left in `tables/` and `figures/` goes.

    Raises:
        UserError: the folder cannot be written, or its `tables/` or `figures/` hold files and it holds no report.
    """
    try:
        _clear(folder)
        return list(_written(report, folder))
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror}; choose -o DIR") from error


def _written(report: Report, folder: Path) -> Iterator[Path]:
    yield _write(folder / TEXT, _markdown(report))
    yield _write(folder / MEASUREMENTS, as_csv(report.rows))
    for table in report.every_table:
        yield _write(folder / TABLES / f"{table.name}.csv", table_csv(table))
        yield _write(folder / TABLES / f"{table.name}.tex", to_latex(table))
    for figure in report.figures:
        yield from save_figure(figure, folder / FIGURES)
    yield _write(folder / PAGE, page_html(report))


def require_report_folder(folder: Path) -> None:
    """Refuses a folder in which a report would replace files of somebody else's.

    Raises:
        UserError: `tables/` or `figures/` hold files, and the folder holds no report.
    """
    beside = any((folder / name).is_file() for name in (MEASUREMENTS, "ledger.jsonl"))
    strange = [] if (folder / TEXT).is_file() and beside else _replaceable(folder)
    if strange:
        raise UserError(
            f"{strange[0]} would be replaced and {folder} is no report's folder; choose another with -o, so that"
            " nothing of yours is lost"
        )


def _clear(folder: Path) -> None:
    """Empties the folders of an earlier report, and makes them where there are none."""
    require_report_folder(folder)
    for path in _replaceable(folder):
        path.unlink()
    for place in (TABLES, FIGURES):
        (folder / place).mkdir(parents=True, exist_ok=True)


def _replaceable(folder: Path) -> list[Path]:
    return [path for place in (TABLES, FIGURES) for path in sorted((folder / place).glob("*")) if path.is_file()]


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _markdown(report: Report) -> str:
    """The report for a repository's pages: tables, figures, reasons, and where the rest is."""
    parts = [
        f"# {report.title}",
        *report.lead,
        f"Beside this file `segbench report` writes the same as a page, `{PAGE}`, and every measurement, "
        f"`{MEASUREMENTS}`; where they are missing, `segbench report ledger.jsonl -o .` makes them.",
    ]
    parts += map(to_markdown, report.every_table)
    for figure in report.figures:
        parts.append(f"## {figure.title}\n\n![{figure.title}]({FIGURES}/{figure.image})\n\n{figure.caption}")
    if report.reasons:
        listed = "\n".join(f"- **{item.about}.** {item.sentence} ({item.source})" for item in report.reasons)
        parts.append(f"## Why they differ\n\n{listed}")
    facts = "\n".join(f"- {name}: {value}" for name, value in report.facts)
    return "\n\n".join([*parts, f"## Conditions\n\n{facts}"]) + "\n"
