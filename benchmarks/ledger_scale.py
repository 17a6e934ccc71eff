"""Whether planning, resuming and reporting keep up with large sweeps: seconds for ledgers of many rows.

    python benchmarks/ledger_scale.py

Seconds are of this machine: of the clock, and of the processor, which other programs disturb less. The ledger is made
of copies of one cell under other conditions.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path

from typer.testing import CliRunner

from segbench.cards.model import Model, find_models
from segbench.cells.cell import Listener
from segbench.cells.executor import LocalExecutor, Results
from segbench.cells.jobs import Job
from segbench.cells.series import plan, run_series
from segbench.cli.main import app
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement

_CASES = 1_000
_ROWS = (10_000, 100_000)
_MODELS = ["segnode-w8", "hrnetv2-small", "unet-w8", "unet"]
_ENVIRONMENT = Environment(
    "cpu", "A processor", "2.13.0", "3.11.7", "Linux", "0123456789ab", threads=1, switches={"tf32": False}
)


class Submitted(LocalExecutor):
    """Counts jobs and never answers: what is timed is the way to it."""

    count = 0

    def submit(self, job: Job, timeout_s: float, listen: Listener) -> Future[Results]:  # noqa: ARG002
        self.count += 1
        done: Future[Results] = Future()
        if self.count == _CASES:
            done.set_exception(KeyboardInterrupt())
        return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print("| what | rows | seconds | of the processor |\n|---|---|---|---|")
        for rows in _ROWS:
            folder = Path(place) / str(rows)
            write_ledger(folder, rows)
            _tell("load the ledger", rows, Ledger(folder).entries)
            _tell(f"plan, hash and submit {_CASES} cases", rows, partial(submit, folder))
            _tell("report", rows, partial(report, folder))


def _tell(what: str, rows: int, call: Callable[[], object]) -> None:
    start, busy = time.perf_counter(), time.process_time()
    call()
    print(f"| {what} | {rows} | {time.perf_counter() - start:.2f} | {time.process_time() - busy:.2f} |", flush=True)


def submit(folder: Path) -> None:
    """A sweep's way to its executor.

    Raises:
        RuntimeError: not every case arrived there.
    """
    executor = Submitted()
    cells = plan(find_models(_MODELS), _cases, executor)
    try:
        list(run_series(cells, Ledger(folder), executor, 60.0, lambda *_: None))
    except KeyboardInterrupt:
        pass
    if executor.count != _CASES:
        raise RuntimeError(f"{executor.count} of {_CASES} cases were submitted")


def _cases(model: Model) -> list[Case]:
    """What this benchmark's ledgers do not hold."""
    each = _CASES // len(_MODELS)
    return [Case("predict", model.spec.text, device="none", batch_size=1 + i) for i in range(each)]


def report(folder: Path) -> None:
    """The report's folder, as the command writes it.

    Raises:
        RuntimeError: the command failed.
    """
    result = CliRunner().invoke(app, ["report", str(folder), "-o", str(folder / "report")])
    if result.exit_code:
        raise RuntimeError(f"report ended with {result.exit_code}: {result.output}") from result.exception


def write_ledger(folder: Path, rows: int) -> None:
    """A ledger of so many cells, in one write: appending flushes each of them to the disk."""
    folder.mkdir(parents=True)
    with (folder / "ledger.jsonl").open("w") as file:
        file.writelines(json.dumps(entry.to_json(), separators=(",", ":")) + "\n" for entry in _entries(rows))


def _entries(rows: int) -> Iterator[Entry]:
    models: Sequence[Model] = find_models(_MODELS)
    hashes = {model.name: model.card.hash() for model in models}
    for number in range(rows):
        model = models[number % len(models)]
        case = Case("memory", model.spec.text, modes=("train",), batch_size=1 + number // len(models) % 500)
        case = replace(case, seed=number // (500 * len(models)))
        yield Entry(
            run=f"20261128-{number // 1000:06}-abcdef-0123",
            key=case.key(hashes[model.name], "A processor", "2.13.0"),
            model=model.name,
            card_hash=hashes[model.name],
            arguments=model.card.arguments,
            case=replace(case, optimizer="sgd"),
            environment=_ENVIRONMENT,
            outcome="ok",
            cause=None,
            measurements=tuple(_measurements(number)),
            seconds=1.0,
            finished="2026-11-28T00:00:00+00:00",
        )


def _measurements(number: int) -> Iterator[Measurement]:
    yield Measurement("parameters", 100_000, "counted")
    for kind in ("live", "process"):
        yield Measurement(f"train_peak_{kind}_bytes", 10**6 + number, "measured:host", "train")


if __name__ == "__main__":
    main()
