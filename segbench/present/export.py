"""Writes tidy rows to files: CSV and JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.errors import UserError
from segbench.present.csv_text import csv_text
from segbench.present.markdown import to_markdown
from segbench.present.table import Table
from segbench.records.rows import EXPORT_COLUMNS, Row


@dataclass(frozen=True)
class Exports:
    """The files a command is to write, any of them None."""

    csv: Path | None = None
    json: Path | None = None
    markdown: Path | None = None


def as_csv(rows: Sequence[Row], columns: Sequence[str] = EXPORT_COLUMNS) -> str:
    """One row a line under the columns; a missing value is empty."""
    return csv_text(columns, [[row.get(name) for name in columns] for row in rows])


def as_json(rows: Sequence[Row], columns: Sequence[str] = EXPORT_COLUMNS) -> str:
    """A list of objects with the columns as keys; a missing value is null."""
    return json.dumps([{name: row.get(name) for name in columns} for row in rows], indent=1) + "\n"


def write_exports(exports: Exports, rows: Sequence[Row], tables: Sequence[Table]) -> list[Path]:
    """Writes every file that was asked for; the paths written.

    Raises:
        UserError: a file cannot be written; those before it stand.
    """
    return write_texts(
        exports,
        {
            "csv": lambda: as_csv(rows),
            "json": lambda: as_json(rows),
            "markdown": lambda: "\n".join(map(to_markdown, tables)),
        },
    )


def write_texts(exports: Exports, texts: Mapping[str, Callable[[], str]]) -> list[Path]:
    """Writes every file that was asked for; the paths written.

    Args:
        texts: `csv`, `json` and `markdown`, each made only if it is wanted.

    Raises:
        UserError: a file cannot be written; those before it stand.
    """
    written = []
    for name, text in texts.items():
        path: Path | None = getattr(exports, name)
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}; the ledger has every number") from error
        written.append(path)
    return written
