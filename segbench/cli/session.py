"""The part all measuring commands share: measure with progress, show, export, judge, exit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console

from segbench.cards.card import ModelCard
from segbench.cells.cell import Runner
from segbench.cells.series import Done, Planned, run_series
from segbench.errors import UserError
from segbench.present.export import Exports, as_csv, as_json, write_exports
from segbench.present.markdown import to_markdown
from segbench.present.progress import CellProgress, print_stderr_tail
from segbench.present.table import Table
from segbench.present.terminal import least_width, to_terminal
from segbench.records.case import Case
from segbench.records.ledger import Ledger
from segbench.records.measurement import ANSWERS
from segbench.records.rows import Row, tidy_rows
from segbench.statistics.gates import Gate, parse_gate

FORMATS = ("table", "markdown", "csv", "json")
_PIPE_WIDTH = int(os.environ.get("COLUMNS", "120"))
"""Of a table written to a file or a pipe, which has no width of its own."""
EXIT_CELL_FAILED, EXIT_USER, EXIT_GATE, EXIT_INTERRUPTED = 1, 2, 3, 130


@dataclass(frozen=True)
class Output:
    """Where a command's results go.

    Raises:
        UserError: an unknown format, or a gate that cannot be read; found out before anything is measured.
    """

    format: str = "table"
    exports: Exports = field(default_factory=Exports)
    fail_if: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_format(self.format)
        _ = self.gates

    @property
    def gates(self) -> list[Gate]:
        return [parse_gate(text) for text in self.fail_if]


def measure(
    cells: Sequence[Planned],
    ledger: Path,
    timeout_s: float,
    reuse: bool = False,
    together: bool = False,
    arrange: Callable[[Runner], Runner] = lambda runner: runner,
    display: Callable[[Mapping[Case, str], Console], CellProgress] = CellProgress,
    name: Callable[[Planned], str] | None = None,
    goes_on: str = "the same command goes on from there",
) -> list[Done]:
    """Measures the cells with a live display on stderr, in the order planned.

    Ctrl-C leaves a whole ledger, says how to go on, and exits with 130.

    Args:
        together: hand all cells over at once.
        arrange: runs them otherwise than one child a cell, as `in_rounds` does.
        display: what is seen meanwhile.
        name: what to call a cell there; by its network and modes if None.
        goes_on: what to say after Ctrl-C.
    """
    console = Console(stderr=True)
    book = Ledger(ledger)
    done: list[Done] = []
    names = {cell.case: (name or _usual_name)(cell) for cell in cells}
    by_key = {cell.key: names[cell.case] for cell in cells}
    try:
        with display(names, console) as progress:
            series = run_series(
                cells, book, timeout_s, progress.listen, reuse=reuse, together=together, arrange=arrange
            )
            for item in series:
                done.append(item)
                entry = item.entry
                progress.finished(by_key[entry.key], entry.outcome, entry.cause, entry.seconds, item.fresh)
                if not item.user_error:
                    print_stderr_tail(console, by_key[entry.key], item.stderr)
    except KeyboardInterrupt:
        console.print(f"stopped; {len(done)} of {len(cells)} cells are in {book.path}; {goes_on}")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for sentence in dict.fromkeys([*book.damage, *_notes(done)]):
        console.print(f"[yellow]note:[/yellow] {sentence}", highlight=False)
    order = {cell.key: number for number, cell in enumerate(cells)}
    return sorted(done, key=lambda item: order[item.entry.key])


def finish(done: Sequence[Done], sheets: Sequence[Table], cards: Mapping[str, ModelCard], output: Output) -> None:
    """Shows, exports and judges; ends the command with its exit code."""
    rows = tidy_rows([item.entry for item in done], cards)
    show(sheets, rows, output.format)
    console = Console(stderr=True)
    for path in write_exports(output.exports, rows, sheets):
        console.print(f"wrote {path}", highlight=False)
    broken = [sentence for gate in output.gates for sentence in gate.violations(rows)]
    for sentence in broken:
        console.print(f"[red]fail-if:[/red] {sentence}", highlight=False)
    code = exit_code(done)
    if code or broken:
        raise typer.Exit(code or EXIT_GATE)


def _require_format(format: str) -> None:
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


def show(sheets: Sequence[Table], rows: Sequence[Row], format: str) -> None:
    """Prints to stdout: tables for people, rows for programs.

    Raises:
        UserError: an unknown format.
    """
    _require_format(format)
    if format == "csv":
        sys.stdout.write(as_csv(rows))
    elif format == "json":
        sys.stdout.write(as_json(rows))
    elif format == "markdown":
        sys.stdout.write("\n".join(to_markdown(sheet) for sheet in sheets))
    else:
        usual = Console().width if sys.stdout.isatty() else _PIPE_WIDTH
        for sheet in sheets:  # a line that is too long for the terminal is better than a number cut short
            Console(width=max(usual, least_width(sheet))).print(to_terminal(sheet))


def exit_code(done: Sequence[Done]) -> int:
    """2 if a cell failed by the user's mistake, 1 if one failed otherwise, 0 if all answered."""
    if any(item.user_error for item in done):
        return EXIT_USER
    return 0 if all(item.entry.outcome in ANSWERS for item in done) else EXIT_CELL_FAILED


def _usual_name(cell: Planned) -> str:
    return f"{cell.model.name} {'+'.join(cell.case.modes)}"


def _notes(done: Sequence[Done]) -> list[str]:
    return [note for item in done if item.entry.environment for note in item.entry.environment.notes]
