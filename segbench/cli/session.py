"""A measuring command from its cases to its exit code: planned, measured with progress, shown, exported, judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import typer
from rich.console import Console

from segbench.cards.card import ModelCard
from segbench.cards.model import Model
from segbench.cells.cell import run_in_child
from segbench.cells.child import way_to_start
from segbench.cells.executor import Executor, LocalExecutor
from segbench.cells.jobs import JobsOf, single_jobs
from segbench.cells.series import Done, Planned, plan, run_series
from segbench.cli.groups import MachineFlags, OutputFlags, RunFlags, SeesNodes
from segbench.cli.show import EXIT_CELL_FAILED, EXIT_GATE, EXIT_INTERRUPTED, EXIT_USER, require_format, show
from segbench.present.export import Exports, write_exports
from segbench.present.progress import CellProgress, print_stderr_tail
from segbench.present.table import Table
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import ANSWERS
from segbench.records.rows import tidy_rows
from segbench.statistics.gates import Gate, parse_gate

ShownTables = Callable[[Sequence[Entry], Mapping[str, ModelCard]], Sequence[Table]]
"""What a command shows of its entries; the model cards, by name, hold the published numbers."""


def local_executor(start: str | None = None) -> Executor:
    """This machine; tests put a fake one in its place.

    Args:
        start: of each case's process, `warm` or `cold`.

    Raises:
        UserError: another way.
    """
    return LocalExecutor(partial(run_in_child, start=way_to_start(start)))


class Session:
    """One command.

    Args:
        run: time limit, ledger, and whether its answers are taken.
        output: where results go; read before anything is measured.
        machines: who answers; this machine if not said.

    Raises:
        UserError: an unknown format, a gate that cannot be read, or machines that do not answer.

    Attributes:
        seen: the machines that answer, for whoever chooses a device; None for this one.
    """

    def __init__(self, run: RunFlags, output: OutputFlags | None = None, machines: MachineFlags | None = None) -> None:
        self._run = run
        self._output = output or OutputFlags()
        require_format(self._output.format)
        self._gates: list[Gate] = [parse_gate(text) for text in self._output.fail_if or ()]
        self.seen: SeesNodes | None = None
        self.executor: Executor
        if machines is None or machines.executor == "local":
            self.executor = local_executor(run.start)
        else:
            from segbench.cli.machines import cluster_executor

            self.executor = self.seen = cluster_executor(machines, run)

    def plan(self, models: Sequence[Model], cases: Callable[[Model], Sequence[Case]]) -> list[Planned]:
        """Every cell, with the key of the machine that will answer."""
        return plan(models, cases, self.executor)

    def answer(
        self,
        models: Sequence[Model],
        cases: Callable[[Model], Sequence[Case]],
        tables: ShownTables,
        jobs_of: JobsOf = single_jobs,
    ) -> None:
        """The whole command: its cases measured, its tables shown, its exit code."""
        done = self.measure(self.plan(models, cases), jobs_of)
        self.finish(done, models, tables)

    def measure(
        self,
        cells: Sequence[Planned],
        jobs_of: JobsOf = single_jobs,
        display: Callable[[Mapping[Case, str], Console], CellProgress] = CellProgress,
        name: Callable[[Planned], str] | None = None,
        goes_on: str = "the same command goes on from there",
        reuse: bool | None = None,
    ) -> list[Done]:
        """Measures the cells with a live display on stderr; in the order planned.

        Ctrl-C leaves a whole ledger, says how to go on, and exits with 130.

        Args:
            jobs_of: what belongs together, as `in_rounds` and `search_jobs` say.
            display: what is seen meanwhile.
            name: what to call a cell there; by its network and modes if None.
            goes_on: what to say after Ctrl-C.
            reuse: instead of the flag.
        """
        console = Console(stderr=True)
        book = Ledger(self._run.ledger)
        names = {cell.case: (name or _usual_name)(cell) for cell in cells}
        by_key = {cell.key: names[cell.case] for cell in cells}
        wanted = self._run.reuse if reuse is None else reuse
        done: list[Done] = []
        try:
            with self.executor as executor, display(names, console) as progress:
                series = run_series(
                    cells, book, executor, self._run.timeout, progress.listen, reuse=wanted, jobs_of=jobs_of
                )
                for item in series:
                    done.append(item)
                    _tell(progress, console, by_key[item.entry.key], item)
        except KeyboardInterrupt:
            console.print(f"stopped; {len(done)} of {len(cells)} cells are in {book.path}; {goes_on}")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        for sentence in dict.fromkeys([*book.damage, *_notes(done)]):
            console.print(f"[yellow]note:[/yellow] {sentence}", highlight=False)
        order = {cell.key: number for number, cell in enumerate(cells)}
        return sorted(done, key=lambda item: order[item.entry.key])

    def finish(self, done: Sequence[Done], models: Sequence[Model], tables: ShownTables) -> None:
        """Shows, exports and judges; ends the command with its exit code."""
        cards = {model.name: model.card for model in models}
        entries = [item.entry for item in done]
        rows, shown = tidy_rows(entries, cards), tables(entries, cards)
        show(shown, rows, self._output.format)
        console = Console(stderr=True)
        for path in write_exports(exports_of(self._output), rows, shown):
            console.print(f"wrote {path}", highlight=False)
        broken = [sentence for gate in self._gates for sentence in gate.violations(rows)]
        for sentence in broken:
            console.print(f"[red]fail-if:[/red] {sentence}", highlight=False)
        code = exit_code(done)
        if code or broken:
            raise typer.Exit(code or EXIT_GATE)


def exports_of(output: OutputFlags) -> Exports:
    return Exports(output.export_csv, output.export_json, output.export_markdown)


def exit_code(done: Sequence[Done]) -> int:
    """2 if a cell failed by the user's mistake, 1 if one failed otherwise, 0 if all answered."""
    if any(item.user_error for item in done):
        return EXIT_USER
    return 0 if all(item.entry.outcome in ANSWERS for item in done) else EXIT_CELL_FAILED


def _tell(progress: CellProgress, console: Console, name: str, item: Done) -> None:
    entry = item.entry
    progress.finished(name, entry.outcome, entry.cause, entry.seconds, item.fresh)
    if not item.user_error:
        print_stderr_tail(console, name, item.stderr or entry.traceback)


def _usual_name(cell: Planned) -> str:
    return f"{cell.model.name} {'+'.join(cell.case.modes)}"


def _notes(done: Sequence[Done]) -> list[str]:
    return [note for item in done if item.entry.environment for note in item.entry.environment.notes]
