"""A fake machine for the command line: cells answer at once with made-up numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cli import session
from segbench.cli.main import app
from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement

ENVIRONMENT = Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)
MIB = 2**20


class FakeMachine:
    """Training takes 100 MiB an image, inference 10; models named in `ends` end otherwise.

    An inference takes the milliseconds of `latency`, 10 by default, a step three times as long; every other process is
    slower by the share `noise`.
    """

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self.interrupt_at: str | None = None
        self.latency: dict[str, float] = {}
        self.noise = 0.0
        self.cases: list[Case] = []

    def run(self, case: Case, timeout_s: float, listen: Listener) -> CellResult:
        if case.model == self.interrupt_at:
            raise KeyboardInterrupt
        self.cases.append(case)
        outcome = self.ends.get(case.model, "ok")
        cause = None if outcome == "ok" else "the reason"
        rows = tuple(self.rows(case)) if outcome == "ok" else ()
        return CellResult(case, outcome, cause, ENVIRONMENT, rows, 0.1, user_error=outcome == "failed")

    def rows(self, case: Case) -> Iterator[Measurement]:
        yield Measurement("parameters", 1_000_000, "counted")
        if case.task in ("latency", "epoch"):
            yield from self.times(case)
            return
        if case.task == "params":
            checks = [
                {"counter": "torch", "macs": 2 * 10**9, "cause": None, "disagrees": True, "uncounted": {"add": 3}}
            ]
            modules = [["", "Net", 1, 10**9], ["body", "Conv2d", 4, 10**9]]
            detail = {"counters": checks, "modules": modules, "uncounted": {"relu": 2}}
            yield Measurement("macs", 10**9, "counted", "infer", detail=detail)
            return
        for mode in case.modes:
            each = 100 * MIB * case.batch_size if mode == "train" else 10 * MIB * case.infer_batch
            for kind in ("live", "process"):
                yield Measurement(f"{mode}_peak_{kind}_bytes", each, "measured:host", mode=mode)

    def times(self, case: Case) -> Iterator[Measurement]:
        mode, factor = ("infer", 1) if case.task == "latency" else ("train", 3)
        one = factor * self.latency.get(case.model, 10.0) / 1000 * (1 + self.noise * (len(self.cases) % 2))
        samples = (one, 1.001 * one, 0.999 * one)
        detail = {"steady": True, "others_cores": 0.0}
        energy = "energy_per_image_j" if mode == "infer" else "energy_per_epoch_j"
        for name in ("latency_s", "latency_forward_s") if mode == "infer" else ("epoch_s", "train_step_s"):
            yield Measurement(name, one, "measured:host", mode, samples=samples, warmup=(2 * one,), detail=detail)
        yield Measurement(energy, None, "measured:nvml", mode, cause="no GPU here")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of one width, whatever terminal the tests run in."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeMachine:
    """The fake machine behind every command, in an empty folder."""
    fake = FakeMachine()
    monkeypatch.setattr(session, "local_executor", lambda *_: LocalExecutor(fake.run, workers=1))
    monkeypatch.chdir(tmp_path)
    return fake


@pytest.fixture
def segbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command line in an empty folder; the user's mistakes end as they do in `run`."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        if isinstance(result.exception, UserError):
            result.exit_code = 2
            result.stderr_bytes = f"segbench: {result.exception}\n".encode()
        elif result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
