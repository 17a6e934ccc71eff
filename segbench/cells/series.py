"""A command's cells: what a ledger already holds is not measured again, and nothing that was measured is lost."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import SimpleQueue

from segbench.cards.model import Model
from segbench.cells.cell import Listener, Result
from segbench.cells.executor import Executor, Interrupted, Results
from segbench.cells.jobs import Job, JobsOf, single_jobs
from segbench.cells.places import publishable
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.ledger import Entry, Ledger


@dataclass(frozen=True)
class Planned:
    """A cell that is to be measured.

    Attributes:
        card_hash: of the network's card and source text, as they were when this was planned.
        key: the resume key where it is answered.
    """

    model: Model
    case: Case
    card_hash: str
    key: str


@dataclass(frozen=True)
class Done:
    """A cell that has been measured.

    Attributes:
        entry: as it stands in the ledger, but for the folders of this machine.
        fresh: measured now rather than found in the ledger.
        user_error: the cause is the user's mistake.
        stderr: the end of what a failed child wrote.
    """

    entry: Entry
    fresh: bool
    user_error: bool = False
    stderr: str = ""


def plan(models: Sequence[Model], cases: Callable[[Model], Sequence[Case]], executor: Executor) -> list[Planned]:
    """Every cell of a command, with the key of the machine that will answer."""
    planned = []
    for model in models:
        card_hash = model.card.hash()
        for case in cases(model):
            machine = executor.probe(case.device)
            key = case.key(card_hash, machine.device_name, machine.torch)
            planned.append(Planned(model, case, card_hash, key))
    return planned


def run_series(
    cells: Sequence[Planned],
    ledger: Ledger,
    executor: Executor,
    timeout_s: float,
    listen: Listener,
    reuse: bool = False,
    jobs_of: JobsOf = single_jobs,
) -> Iterator[Done]:
    """Measures the cells; each is appended to the ledger as soon as it is known.

    Args:
        cells: a command that was interrupted is continued from the ledger; one that had finished is measured anew.
        timeout_s: of each process.
        listen: hears progress.
        reuse: take any answer the ledger holds, also of a finished command.
        jobs_of: what belongs together on one machine.

    Raises:
        LedgerError: the ledger cannot be written; found out before anything is measured.
    """
    ledger.ensure_writable()
    run, known = resume(cells, ledger.entries(), reuse)
    for cell in cells:
        if cell.key in known:
            yield Done(known[cell.key], fresh=False)
    todo = {cell.case: cell for cell in cells if cell.key not in known}
    for case, result in _results(jobs_of(list(todo)), executor, timeout_s, listen):
        result = _as_planned(todo[case], result)
        entry = _entry(run, todo[case], result)
        ledger.append(replace(entry, case=publishable(entry.case)))
        yield Done(entry, fresh=True, user_error=result.user_error, stderr=result.stderr)


def _results(
    jobs: Iterable[Job], executor: Executor, timeout_s: float, listen: Listener
) -> Iterator[tuple[Case, Result]]:
    """Every case's result, in the order in which jobs end."""
    pending: dict[Future[Results], Job] = {}
    ended: SimpleQueue[Future[Results]] = SimpleQueue()
    for job in jobs:
        try:
            future = executor.submit(job, timeout_s, listen)
        except Interrupted as interrupt:
            yield from zip(job.cases, interrupt.results, strict=False)
            raise
        pending[future] = job
        future.add_done_callback(ended.put)
        while not ended.empty():
            yield from _pairs(pending, ended.get())
    while pending:
        yield from _pairs(pending, ended.get())


def _pairs(pending: dict[Future[Results], Job], ended: Future[Results]) -> Iterator[tuple[Case, Result]]:
    return zip(pending.pop(ended).cases, ended.result(), strict=True)


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


def _as_planned(cell: Planned, result: Result) -> Result:
    """Refuses the answer of another machine about another network than the one planned."""
    if result.card_hash in ("", cell.card_hash):
        return result
    cause = (
        f"the worker's source of {cell.model.name} is not the one that was planned: it was edited since, or the worker "
        "has another build of segbench or of a package that the network imports; run the command again, or install the "
        "same ones"
    )
    return replace(result, outcome="failed", cause=cause, measurements=(), user_error=True)


def _new_run(signature: str) -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{signature}-{secrets.token_hex(2)}"


def _entry(run: str, cell: Planned, result: Result) -> Entry:
    return Entry(
        run=run,
        key=cell.key,
        model=cell.model.name,
        card_hash=cell.card_hash,
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
        traceback=result.traceback,
    )
