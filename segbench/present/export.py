"""Writes tidy rows to files: CSV and JSON for programs, Markdown for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.errors import UserError
from segbench.present.sheet import Sheet, to_markdown
from segbench.records.rows import EXPORT_COLUMNS, Row


@dataclass(frozen=True)
class Exports:
    """The files a command is to write, any of them None."""

    csv: Path | None = None
    json: Path | None = None
    markdown: Path | None = None


def as_csv(rows: Sequence[Row]) -> str:
    """One measurement a line under the fixed columns; a missing value is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, EXPORT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects with the fixed columns as keys; a missing value is null."""
    return json.dumps([{name: row.get(name) for name in EXPORT_COLUMNS} for row in rows], indent=1) + "\n"


def write_exports(exports: Exports, rows: Sequence[Row], sheets: Sequence[Sheet]) -> list[Path]:
    """Writes every file that was asked for; the paths written.

    Raises:
        UserError: a file cannot be written; those before it stand.
    """
    return write_texts(
        exports,
        {
            "csv": lambda: as_csv(rows),
            "json": lambda: as_json(rows),
            "markdown": lambda: "\n".join(to_markdown(sheet) for sheet in sheets),
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
