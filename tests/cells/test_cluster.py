"""Jobs on other machines: lost workers, one kind of machine, files as they were at submission; with a fake engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from segbench.cards.model import find_models
from segbench.cells.cell import Listener, Result
from segbench.cells.cluster import ClusterExecutor, EngineLost, Needs, Standing, WorkerLost
from segbench.cells.jobs import Single
from segbench.cells.rounds import Rounds
from segbench.cells.series import Done, plan, run_series
from segbench.cells.worker import RemoteAnswer, RemoteJob, answer
from segbench.devices.node import Node, node_here
from segbench.errors import UserError
from segbench.nvml import Gpu
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.ledger import Ledger
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions, MemoryOptions
from segbench.statistics.stopping import StopRule

HERE = node_here()
V100, A100 = (replace(HERE, gpus=(Gpu(0, name, 2**35, 0),), name=name.lower()) for name in ("V100", "A100"))
ENVIRONMENT = Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)
NETWORK = "class Net: ..."
FSDP = MemoryOptions(strategy="fsdp", ranks=4)


class FakeEngine:
    """Runs calls at once, in order; loses workers, or itself, when told to.

    Args:
        nodes: that it has.
        losses: how many calls are lost before one is answered.
        dies_after: answers.
        before: is done between the submission and the run.
    """

    def __init__(
        self,
        nodes: Sequence[Node] = (HERE,),
        losses: int = 0,
        dies_after: int = 1000,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._nodes, self._losses, self._left, self._before = nodes, losses, dies_after, before
        self.calls: list[tuple[RemoteJob, Needs]] = []
        self.models: list[str] = []

    def nodes(self, gpus: bool) -> Sequence[Node]:
        return self._nodes

    def start(self, calls: Sequence[tuple[RemoteJob, Needs]]) -> Sequence[int]:
        self.calls += calls
        return range(len(self.calls) - len(calls), len(self.calls))

    def ended(self, handles: Collection[int], wait_s: float) -> Collection[int]:
        return list(handles)[:1]

    def answer(self, handle: int) -> RemoteAnswer:
        self._before()
        self._left -= 1
        if self._left < 0:
            raise EngineLost("the head is gone")
        self._losses -= 1
        if self._losses >= 0:
            raise WorkerLost("node died")
        return answer(self.calls[handle][0], run_case=self._measure)

    def standing(self, handles: Collection[int]) -> Standing:
        return Standing(len(self._nodes), 1)

    def cancel(self, handles: Collection[int]) -> None: ...

    def _measure(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        self.models.append(Path(case.model.rpartition(":")[0]).read_text() if ":" in case.model else case.model)
        return Result(case, "ok", None, ENVIRONMENT, (Measurement("parameters", 1, "counted"),), 0.1)


def series(
    folder: Path, engine: FakeEngine, models: Sequence[str] = ("unet-w8", "segnode-w8"), retries: int = 1
) -> list[Done]:
    with ClusterExecutor(engine, retries, folder / "sent") as executor:
        cells = plan(find_models(list(models)), lambda model: [Case("params", model.spec.text)], executor)
        return list(run_series(cells, Ledger(folder), executor, 9.0, lambda *_: None))


def test_a_lost_worker_costs_its_case_which_is_tried_again_and_recorded(tmp_path: Path) -> None:
    first, second = series(tmp_path, FakeEngine(losses=1))
    assert [first.entry.outcome, second.entry.outcome] == ["ok", "ok"]
    notes = [entry.environment.notes for entry in Ledger(tmp_path).entries() if entry.environment]
    assert sorted(map(len, notes)) == [0, 1] and "lost once before this try (node died)" in str(notes)


def test_a_case_lost_too_often_is_recorded_as_crashed_and_the_others_go_on(tmp_path: Path) -> None:
    engine = FakeEngine(losses=2)
    found = {item.entry.outcome: item.entry.cause for item in series(tmp_path, engine, retries=0, models=["unet-w8"])}
    assert found == {"crashed": "the worker was lost once (node died); raise --retries, or run the command again"}


def test_a_dead_head_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    with pytest.raises(EngineLost):
        series(tmp_path, FakeEngine(dies_after=1))
    again = FakeEngine()
    assert [item.fresh for item in series(tmp_path, again)] == [False, True]
    assert len(again.calls) == 1


def test_an_engine_that_takes_no_jobs_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineLost("the queue is closed")

    monkeypatch.setattr(FakeEngine, "start", refuse)
    with pytest.raises(EngineLost, match="the queue is closed"):
        series(tmp_path, FakeEngine())


def test_what_is_submitted_after_the_engine_failed_fails_at_once(tmp_path: Path) -> None:
    job = Single(Case("params", "unet-w8"))
    engine = FakeEngine(dies_after=0)
    with ClusterExecutor(engine, 0, tmp_path) as executor:
        errors = [executor.submit(job, 9.0, print).exception(timeout=30) for _ in range(2)]
    assert list(map(str, errors)) == ["the head is gone"] * 2
    assert len(engine.calls) == 1


def test_a_file_edited_after_submission_is_run_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.py"
    file.write_text(NETWORK)
    engine = FakeEngine(before=lambda: file.write_text("class Net: edited = True"))
    (done,) = series(tmp_path, engine, [f"{file}:Net"])
    assert (done.entry.outcome, engine.models) == ("ok", [NETWORK])


def test_a_file_edited_between_plan_and_submission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.py"
    file.write_text(NETWORK)
    with ClusterExecutor(FakeEngine(), 0, tmp_path / "sent") as executor:
        cells = plan(find_models([f"{file}:Net"]), lambda model: [Case("params", model.spec.text)], executor)
        file.write_text("class Net: edited = True")
        (done,) = run_series(cells, Ledger(tmp_path), executor, 9.0, lambda *_: None)
    assert done.entry.outcome == "failed" and "not the one that was planned" in str(done.entry.cause)
    assert not done.entry.measurements


def test_a_network_whose_file_is_gone_when_it_runs_is_run_from_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "net.py"
    file.write_text("import helper\n" + NETWORK)
    (tmp_path / "helper.py").write_text("x = 1")
    (done,) = series(tmp_path, FakeEngine(before=file.unlink), [f"{file}:Net"])
    assert done.entry.outcome == "ok"
    assert len(list((tmp_path / "sent").rglob("helper.py"))) == 1


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ((V100, A100), "different machines here: V100 .*; A100"),
        ((HERE,), "none of the 1 machines has a GPU"),
        ((V100, replace(V100, segbench="0.0.1", name="old")), "different versions of segbench: .* 0.0.1 on old"),
        ((replace(V100, segbench="0.0.1"),), "the machines have 0.0.1"),
    ],
)
def test_machines_that_cannot_answer_as_one_are_refused(tmp_path: Path, nodes: tuple[Node, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        ClusterExecutor(FakeEngine(nodes), 0, tmp_path).probe("cuda:0")


def test_another_machine_than_the_one_planned_for_does_not_answer(tmp_path: Path) -> None:
    (done,) = series(tmp_path, FakeEngine([replace(HERE, processor="Another CPU")]), ["unet-w8"])
    assert done.entry.outcome == "failed" and "planned for Another CPU" in str(done.entry.cause)


@pytest.mark.parametrize(
    ("case", "needs"),
    [
        (Case("latency", "unet-w8"), Needs(0, None)),
        (Case("params", "unet-w8", threads=3), Needs(0, 3)),
        (Case("memory", "unet-w8", device="cuda:0"), Needs(1, 1)),
        (Case("memory", "unet-w8", device="cuda", options=FSDP), Needs(4, 4)),
        (Case("max_batch", "unet-w8", device="none", options=Assumptions(strategy="fsdp", ranks=4)), Needs(0, 1)),
    ],
)
def test_a_case_reserves_a_gpu_or_the_machine_it_must_be_alone_on(tmp_path: Path, case: Case, needs: Needs) -> None:
    engine = FakeEngine([V100], losses=1)
    with ClusterExecutor(engine, 0, tmp_path) as executor:
        executor.submit(Rounds((case,), StopRule()) if case.kind.timed else Single(case), 9.0, print).result()
    assert [own for _, own in engine.calls] == [needs]


def test_the_display_hears_of_hosts_running_and_waiting(tmp_path: Path) -> None:
    heard: list[dict[str, Json]] = []
    with ClusterExecutor(FakeEngine(), 0, tmp_path) as executor:
        futures = [
            executor.submit(Single(Case("params", name)), 9.0, lambda _, kind, event: heard.append(event))
            for name in ("unet-w8", "segnode-w8", "hrnetv2-small")
        ]
        assert all(future.result() for future in futures)
    assert heard[0] == {"hosts": 1, "running": 1, "waiting": heard[0]["waiting"]}
