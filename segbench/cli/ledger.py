"""`segbench ledger`: what was measured, shown, exported and merged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.cards.card import ModelCard
from segbench.cards.model import find_model
from segbench.cli.flags import flags
from segbench.cli.groups import LedgerFolder, OutputFlags
from segbench.cli.selection import select, tell_damage
from segbench.cli.session import exports_of
from segbench.cli.show import show
from segbench.errors import LedgerError, UserError
from segbench.present.export import Exports, write_exports
from segbench.present.ledger import entries_table, runs_table
from segbench.records.ledger import DEFAULT_LEDGER, Entry, Ledger
from segbench.records.merging import clashes, identity, kept_apart, merged
from segbench.records.rows import tidy_rows

ledger = typer.Typer(help="What was measured: list, show, export, merge.", no_args_is_help=True)

_Selection = Annotated[
    str,
    typer.Argument(help="A network, a run (last, last-1), conditions (unet,precision=bf16) or LEDGER@any of these."),
]

_Format = Annotated[str, typer.Option("--format", help="On stdout: table, markdown, csv or json.")]


@ledger.command("list")
def list_runs(folder: LedgerFolder = DEFAULT_LEDGER, format: _Format = "table") -> None:
    """Every run, oldest first."""
    entries = select("", folder)
    show([runs_table(entries, str(Ledger(folder).path))], tidy_rows(entries, _cards(entries)), format)


@ledger.command("show")
def show_entries(
    selection: _Selection = "last", folder: LedgerFolder = DEFAULT_LEDGER, format: _Format = "table"
) -> None:
    """The measurements of a run, of a network, or of whatever fits the conditions."""
    entries = select(selection, folder)
    show([entries_table(entries)], tidy_rows(entries, _cards(entries)), format)


@ledger.command()
@flags(without=("format", "fail_if"))
def export(
    output: OutputFlags,
    selection: Annotated[str, typer.Argument(help="As for show. \\[default: everything]", show_default=False)] = "",
    folder: LedgerFolder = DEFAULT_LEDGER,
) -> None:
    """Tidy rows of the ledger as files, one measurement a row."""
    exports = exports_of(output)
    if exports == Exports():
        raise UserError("nothing to write: give --export-csv, --export-json or --export-markdown")
    entries = select(selection, folder)
    written = write_exports(exports, tidy_rows(entries, _cards(entries)), [entries_table(entries)])
    for path in written:
        Console(stderr=True).print(f"wrote {path}", highlight=False, soft_wrap=True)


@ledger.command()
def merge(
    sources: Annotated[list[Path], typer.Argument(help="Ledgers: folders or files.", show_default=False)],
    into: Annotated[Path, typer.Option("--into", help="The ledger that takes what it does not have yet.")],
    keep_apart: Annotated[
        bool, typer.Option("--keep-apart", help="Keep rows of other settings under keys of their own.")
    ] = False,
) -> None:
    """Joins ledgers, every row once; one case under two settings (host, driver, threads, switches) is refused."""
    target = Ledger(into)
    present = target.entries()
    tell_damage(target)
    everything = merged(present, *(_read(path) for path in sources))
    found = clashes(everything)
    if found and not keep_apart:
        raise LedgerError(
            f"{len(found)} cells were measured under different settings: {found[0]}; "
            "merge them with --keep-apart, or into another ledger"
        )
    known = {identity(entry) for entry in present}
    new = [entry for entry in kept_apart(everything) if identity(entry) not in known]
    for entry in new:
        target.append(entry)
    Console(stderr=True).print(
        f"{target.path}: {len(new)} cells added to {len(present)}", highlight=False, soft_wrap=True
    )


def _read(path: Path) -> list[Entry]:
    book = Ledger(path)
    if not book.path.is_file():
        raise LedgerError(f"there is no ledger at {book.path}")
    entries = book.entries()
    tell_damage(book)
    return entries


def _cards(entries: list[Entry]) -> dict[str, ModelCard]:
    """The cards that can still be found, for their published numbers."""
    cards = {}
    for entry in entries:
        try:
            cards[entry.model] = find_model(entry.case.model).card
        except UserError:
            continue
    return cards
