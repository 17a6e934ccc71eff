"""`segbench report`: a ledger as tables, figures and one page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.errors import UserError
from segbench.records.ledger import Ledger, without_collection
from segbench.studies.evidence import LEDGER, read_entries, write_evidence
from segbench.studies.front_page import README, front_page

_Ledgers = Annotated[list[Path] | None, typer.Argument(help="Folders or files of ledgers.", show_default=False)]
_Output = Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the report.", show_default=False)]
_Title = Annotated[str | None, typer.Option("--title", help="\\[default: the report's own, or the folder's name]")]
_FrontPage = Annotated[
    Path | None, typer.Option("--front-page", help="Remake README.md of this folder of reports.", show_default=False)
]


def report(
    ledger: _Ledgers = None, output: _Output = None, title: _Title = None, front_page: _FrontPage = None
) -> None:
    """Everything a ledger holds as Markdown, CSV, LaTeX, SVG and PNG figures, and one HTML page without a network.

    A report can be remade from its own ledger: segbench report DIR/ledger.jsonl -o DIR. Another ledger replaces the
    report in DIR with its tables, figures and command.
    """
    if not ledger and front_page is None:
        raise UserError("name a ledger: segbench report segbench-runs -o DIR")
    if ledger:
        if output is None:
            raise UserError("say where the report goes: -o DIR")
        remade = [(output / LEDGER).resolve()] == [Ledger(place).path.resolve() for place in ledger]
        command = None if remade else command_line()
        with without_collection():  # of a long ledger it would take longer than what is made of it
            tell(write_evidence(read_entries(ledger, _note), output, title, command, _note), output)
    if front_page is not None:
        tell([write_front_page(front_page)], front_page)


def write_front_page(folder: Path) -> Path:
    """Writes the README of a folder of reports.

    Raises:
        UserError: no report, or a folder that cannot be written.
    """
    path = folder / README
    try:
        path.write_text(front_page(folder), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    return path


def tell(paths: Sequence[Path], folder: Path) -> None:
    """One line on stderr: what was written, and the page to open."""
    pages = [str(path) for path in paths if path.suffix == ".html"]
    opened = f"; open {pages[0]}" if pages else ""
    written = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files to {folder}"
    Console(stderr=True).print(f"wrote {written}{opened}", highlight=False, soft_wrap=True)


def _note(sentence: str) -> None:
    Console(stderr=True).print(f"[yellow]note:[/yellow] {sentence}", highlight=False, soft_wrap=True)


def command_line() -> str:
    """The command as typed, for the evidence."""
    return shlex.join(["segbench", *sys.argv[1:]])
