"""`segbench datasets`: what there is, what each needs, and whether a copy is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.cards.data_roots import VARIABLE, config_file, find_root, places
from segbench.cards.datasets import DATASETS, DatasetCard, dataset_card, settled_spec
from segbench.cells.cell import Result
from segbench.cells.jobs import Single
from segbench.cli.flags import flags
from segbench.cli.groups import PeoplesFormat
from segbench.cli.session import local_executor
from segbench.cli.show import EXIT_CELL_FAILED, for_people, show
from segbench.errors import DataError
from segbench.present.datasets import card_table, catalogue_table, check_tables
from segbench.present.progress import CellProgress, print_stderr_tail
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.options import CheckDatasetOptions

datasets = typer.Typer(help="What data sets there are, what each needs, and whether a copy is whole.")

_Name = Annotated[
    str,
    typer.Argument(
        help="A data set, or your own mine.toml; options behind a colon, as in camvid:grouping=strict.",
        callback=settled_spec,
    ),
]
_DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Where the data set lies. \\[default: SEGBENCH_DATA, or the config file]"),
]
_Splits = Annotated[
    list[str] | None, typer.Option("--split", help="Only this split; repeatable. \\[default: all there]")
]


@datasets.callback(invoke_without_command=True)
def catalogue(context: typer.Context, data_root: _DataRoot = None, format: PeoplesFormat = "table") -> None:
    """Every data set and where it lies."""
    if context.invoked_subcommand:
        return
    found = {name: _where(card, data_root) for name, card in DATASETS.items()}
    notes = [
        f"looked for in --data-root, {VARIABLE} and {config_file()} ([data] root, or a data set's own name)",
        "segbench datasets show NAME: what to download and the layout expected; check NAME: is a copy whole?",
    ]
    show([catalogue_table(found, DATASETS, notes)], [], for_people(format))


@datasets.command("show")
def show_one(name: _Name, data_root: _DataRoot = None, format: PeoplesFormat = "table") -> None:
    """One data set: classes, terms, what to download, the layout expected, its options."""
    card = dataset_card(name)
    looked = places(card, data_root) if card.needs_files else []
    show([card_table(card, looked, _where(card, data_root))], [], for_people(format))


@datasets.command()
@flags()
def check(
    name: _Name,
    data_root: _DataRoot = None,
    split: _Splits = None,
    contact_sheet: Annotated[Path | None, typer.Option("--contact-sheet", help="Draw samples into this PNG.")] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Broken files are counted, not a failure.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds the check may take.", min=1)] = 7200.0,
    format: Annotated[str, typer.Option("--format", help="On stdout: table, markdown or json.")] = "table",
) -> None:
    """Decodes every file: counts, sizes, label histogram, missing and broken files. Exits with 1 if any is broken."""
    card = dataset_card(name)
    shown = format if format == "json" else for_people(format)
    root = find_root(card, data_root) if card.needs_files else None
    page = contact_sheet.expanduser().resolve() if contact_sheet else None
    options = CheckDatasetOptions(splits=tuple(split or ()), contact_sheet=str(page) if page else None)
    place = str(root) if root else None
    case = Case("check_dataset", model="", dataset=name, data_root=place, options=options)
    result = _run(case, card, timeout)
    splits = [dict(row.detail) for row in result.measurements]
    if shown == "json":
        typer.echo(json.dumps({"dataset": published_dataset(name), "splits": splits}, indent=1))
    elif splits:
        show(check_tables(card, splits), [], shown)
    _judge(result, all(item["passed"] for item in splits), skip_broken)


def _run(case: Case, card: DatasetCard, timeout: float) -> Result:
    console = Console(stderr=True)
    with CellProgress({case: card.name}, console) as progress:
        (result,) = local_executor().submit(Single(case), timeout, progress.listen).result()
    print_stderr_tail(console, card.name, result.stderr)
    for note in result.environment.notes if result.environment else ():
        console.print(f"[yellow]note:[/yellow] {note}", highlight=False)
    page = case.options_as(CheckDatasetOptions).contact_sheet
    if page and result.outcome == "ok":
        console.print(f"wrote {page}", highlight=False)
    return result


def _judge(result: Result, passed: bool, skip_broken: bool) -> None:
    if result.user_error:
        raise DataError(result.cause or "the check failed")
    if result.outcome != "ok":
        typer.echo(f"segbench: the check {result.outcome}: {result.cause}", err=True)
        raise typer.Exit(EXIT_CELL_FAILED)
    if not passed and not skip_broken:
        raise typer.Exit(EXIT_CELL_FAILED)


def _where(card: DatasetCard, data_root: Path | None) -> str:
    """The data set's folder, or in a few words that it is not there."""
    if not card.needs_files:
        return "built in"
    try:
        return str(find_root(card, data_root))
    except DataError:
        return "not found"
