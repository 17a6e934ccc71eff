"""What goes to stdout: tables for people, rows for programs; and the exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console

from segbench.errors import UserError
from segbench.present.export import as_csv, as_json
from segbench.present.markdown import to_markdown
from segbench.present.table import Table
from segbench.present.terminal import least_width, to_terminal
from segbench.records.rows import Row

FORMATS = ("table", "markdown", "csv", "json")
EXIT_CELL_FAILED, EXIT_USER, EXIT_GATE, EXIT_INTERRUPTED = 1, 2, 3, 130


def require_format(format: str) -> None:
    """Raises:
    UserError: an unknown format.
    """
    if format not in FORMATS:
        raise UserError(f"no format {format!r}; choose {', '.join(FORMATS)}")


def for_people(format: str) -> str:
    """The format of a table that has no rows for programs.

    Raises:
        UserError: a format for programs.
    """
    if format not in ("table", "markdown"):
        raise UserError(f"no format {format!r} here; choose table or markdown")
    return format


def show(tables: Sequence[Table], rows: Sequence[Row], format: str) -> None:
    """Prints to stdout.

    Raises:
        UserError: an unknown format.
    """
    require_format(format)
    if format == "csv":
        sys.stdout.write(as_csv(rows))
    elif format == "json":
        sys.stdout.write(as_json(rows))
    elif format == "markdown":
        sys.stdout.write("\n".join(to_markdown(table) for table in tables))
    else:
        usual = Console().width if sys.stdout.isatty() else pipe_width()
        for table in tables:  # a line that is too long for the terminal is better than a number cut short
            Console(width=max(usual, least_width(table))).print(to_terminal(table))


def pipe_width() -> int:
    """Of a table written to a file or a pipe, which has no width of its own: COLUMNS where that is a number."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else 120
