"""A command's cells one after the other: what a ledger already holds is not measured again, and nothing is lost."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from segbench.cards.catalogue import Model
from segbench.cells.cell import Listener, Result, Runner, run_in_child
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.ledger import Entry, Ledger


@dataclass(frozen=True)
class Planned:
    """A cell that is to be measured: the network and the case, with the resume key they have on this machine."""

    model: Model
    case: Case
    key: str


@dataclass(frozen=True)
class Done:
    """A cell that has been measured.

    Attributes:
        entry: as it stands in the ledger.
        fresh: measured now rather than found in the ledger.
        user_error: the cause is the user's mistake.
        stderr: the end of what a failed child wrote.
    """

    entry: Entry
    fresh: bool
    user_error: bool = False
    stderr: str = ""


def plan(
    models: Sequence[Model], cases: Callable[[Model], Sequence[Case]], device_name: str, torch: str
) -> list[Planned]:
    """Every cell of a command, with its key."""
    return [
        Planned(model, case, case.key(model.card.hash(), device_name, torch))
        for model in models
        for case in cases(model)
    ]


def run_series(
    cells: Sequence[Planned],
    ledger: Ledger,
    timeout_s: float,
    listen: Listener,
    reuse: bool = False,
    together: bool = False,
    runner: Runner = run_in_child,
    arrange: Callable[[Runner], Runner] = lambda runner: runner,
) -> Iterator[Done]:
    """Measures the cells in order, each appended to the ledger before the next starts.

    Args:
        cells: of one task.
        ledger: a command that was interrupted is continued from it; one that had finished is measured anew.
        timeout_s: per case.
        listen: hears progress.
        reuse: take any answer the ledger holds, also of a finished command.
        together: one child for all cells, where they do not disturb each other (predictions), or one call of what
            `arrange` made of the runner.
        runner: starts the children.
        arrange: makes another runner of it, as `in_rounds` does.

    Raises:
        LedgerError: the ledger cannot be written; found out before anything is measured.
    """
    ledger.ensure_writable()
    run, known = resume(cells, ledger.entries(), reuse)
    for cell in cells:
        if cell.key in known:
            yield Done(known[cell.key], fresh=False)
    todo = [cell for cell in cells if cell.key not in known]
    runner = arrange(runner)
    for batch in [todo] if together else [[cell] for cell in todo]:
        results = runner(batch[0].case.task, [cell.case for cell in batch], timeout_s, listen) if batch else iter(())
        for cell, result in zip(batch, results, strict=True):
            entry = _entry(run, cell, result)
            ledger.append(entry)
            yield Done(entry, fresh=True, user_error=result.user_error, stderr=result.stderr)


def resume(cells: Sequence[Planned], entries: Sequence[Entry], reuse: bool) -> tuple[str, dict[str, Entry]]:
    """The run's name, and the answers that need not be measured again.

    A command is the set of its keys. If the last run of the same command lacks cells it was interrupted: it goes on
    under its name, and only what it answered is kept. If it lacks none it had finished: a new run starts.
    """
    signature = hashlib.sha256("".join(sorted(cell.key for cell in cells)).encode()).hexdigest()[:6]
    wanted = {cell.key for cell in cells}
    if reuse:
        return _new_run(signature), {entry.key: entry for entry in entries if entry.key in wanted and entry.answered}
    runs = [entry.run for entry in entries if entry.run.split("-")[2:3] == [signature]]
    last = [entry for entry in entries if runs and entry.run == runs[-1]]
    if last and wanted - {entry.key for entry in last}:
        return runs[-1], {entry.key: entry for entry in last if entry.answered}
    return _new_run(signature), {}


def _new_run(signature: str) -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{signature}-{secrets.token_hex(2)}"


def _entry(run: str, cell: Planned, result: Result) -> Entry:
    return Entry(
        run=run,
        key=cell.key,
        model=cell.model.name,
        card_hash=cell.model.card.hash(),
        arguments={**cell.model.card.arguments, **dict(cell.case.arguments)},
        case=replace(
            result.case,
            optimizer=result.case.optimizer or cell.model.card.recipe.optimizer,
            dataset=published_dataset(result.case.dataset) if result.case.dataset else None,
        ),
        environment=result.environment,
        outcome=result.outcome,
        cause=result.cause,
        measurements=result.measurements,
        seconds=result.seconds,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
