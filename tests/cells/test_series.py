from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.cards.card import ModelCard
from segbench.cards.model import Model
from segbench.cards.spec import ModelSpec
from segbench.cells.cell import Listener, Result, RunCase
from segbench.cells.executor import LocalExecutor
from segbench.cells.jobs import JobsOf, single_jobs
from segbench.cells.series import Planned, plan, resume, run_series
from segbench.errors import LedgerError
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement

MODELS = [
    Model(name, ModelSpec("catalogue", "", name), ModelCard(title=name, builder="a:B", arguments={"steps": 4}))
    for name in ("a", "b", "c")
]


def cells() -> list[Planned]:
    return plan(MODELS, lambda model: [Case("memory", model.spec.text)], LocalExecutor())


class FakeMachine:
    """Answers at once; crashes and interrupts where it is told to."""

    def __init__(self, crash: str | None = None, interrupt: str | None = None) -> None:
        self.measured: list[str] = []
        self._crash, self._interrupt = crash, interrupt

    def __call__(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        if case.model == self._interrupt:
            raise KeyboardInterrupt
        self.measured.append(case.model)
        outcome = "crashed" if case.model == self._crash else "ok"
        rows = (Measurement("parameters", 1, "counted"),)
        return Result(case, outcome, None if outcome == "ok" else "SIGSEGV", None, rows, 0.1)


def series(folder: Path, machine: FakeMachine, reuse: bool = False, jobs_of: JobsOf = single_jobs) -> list[str]:
    executor = LocalExecutor(machine)
    done = run_series(cells(), Ledger(folder), executor, 1.0, lambda *_: None, reuse=reuse, jobs_of=jobs_of)
    return [f"{item.entry.model}:{item.entry.outcome}:{'new' if item.fresh else 'known'}" for item in done]


def test_every_cell_is_in_the_ledger_before_the_next_starts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        series(tmp_path, FakeMachine(interrupt="c"))
    assert [entry.model for entry in Ledger(tmp_path).entries()] == ["a", "b"]


def test_an_interrupted_command_goes_on_without_measuring_twice(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        series(tmp_path, FakeMachine(interrupt="b"))
    again = FakeMachine()
    assert series(tmp_path, again) == ["a:ok:known", "b:ok:new", "c:ok:new"]
    assert again.measured == ["b", "c"]
    assert len({entry.run for entry in Ledger(tmp_path).entries()}) == 1


def test_an_interrupted_command_tries_again_what_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        series(tmp_path, FakeMachine(crash="a", interrupt="c"))
    again = FakeMachine()
    series(tmp_path, again)
    assert again.measured == ["a", "c"]


def test_a_finished_command_measures_anew_as_another_run(tmp_path: Path) -> None:
    series(tmp_path, FakeMachine())
    again = FakeMachine()
    series(tmp_path, again)
    assert again.measured == ["a", "b", "c"]
    assert len({entry.run for entry in Ledger(tmp_path).entries()}) == 2


def test_reuse_takes_what_a_finished_command_answered(tmp_path: Path) -> None:
    series(tmp_path, FakeMachine(crash="b"))
    again = FakeMachine()
    series(tmp_path, again, reuse=True)
    assert again.measured == ["b"]


def test_a_crash_does_not_stop_the_others(tmp_path: Path) -> None:
    assert series(tmp_path, FakeMachine(crash="a")) == ["a:crashed:new", "b:ok:new", "c:ok:new"]


@dataclass(frozen=True)
class _Whole:
    """All cases as one job."""

    cases: tuple[Case, ...]
    alone: bool = True

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        for case in self.cases:
            yield run_case(case, timeout_s, listen)


def test_what_a_job_had_found_before_ctrl_c_is_in_the_ledger(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        series(tmp_path, FakeMachine(interrupt="c"), jobs_of=lambda cases: [_Whole(tuple(cases))])
    assert [entry.model for entry in Ledger(tmp_path).entries()] == ["a", "b"]


def test_a_ledger_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    model = Model("net.py:Net", ModelSpec("python file", "/home/me/net.py", "Net"), MODELS[0].card)
    wanted = plan([model], lambda found: [Case("memory", found.spec.text)], LocalExecutor())
    (done,) = run_series(wanted, Ledger(tmp_path), LocalExecutor(FakeMachine()), 1.0, lambda *_: None)
    assert done.entry.case.model == "/home/me/net.py:Net"
    assert Ledger(tmp_path).entries()[0].case.model == "net.py:Net"


def test_an_unwritable_ledger_is_found_out_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    runner = FakeMachine()
    with pytest.raises(LedgerError):
        series(tmp_path / "file" / "x", runner)
    assert runner.measured == []


def test_an_entry_holds_the_builders_arguments(tmp_path: Path) -> None:
    series(tmp_path, FakeMachine())
    assert Ledger(tmp_path).entries()[0].arguments == {"steps": 4}


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=6))
def test_resuming_keeps_exactly_what_the_last_run_answered(answered: list[str]) -> None:
    wanted = cells()
    run, _ = resume(wanted, [], False)
    by_model = {cell.model.name: cell for cell in wanted}
    entries = [
        Entry(run, by_model[name].key, name, "", {}, by_model[name].case, None, "ok", None, (), 0.0, "")
        for name in answered
    ]
    next_run, known = resume(wanted, entries, False)
    finished = set(answered) == {"a", "b", "c"}
    assert {entry.model for entry in known.values()} == (set() if finished else set(answered))
    assert (next_run == run) == (bool(answered) and not finished)


def test_another_command_is_not_continued(tmp_path: Path, make_entry: Callable[..., Entry]) -> None:
    Ledger(tmp_path).append(make_entry("a", key=cells()[0].key))
    runner = FakeMachine()
    series(tmp_path, runner)
    assert runner.measured == ["a", "b", "c"]
