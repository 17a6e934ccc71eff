"""`segbench gpu-check` on a fake GPU and a fake clock; once in earnest, in small, on the CPU."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from segbench import nvml
from segbench.cards import card
from segbench.cards.model import find_models
from segbench.cells.cell import Listener
from segbench.cells.cell import Result as CellResult
from segbench.cells.executor import LocalExecutor
from segbench.cells.time_box import TimeBox
from segbench.cli import gpu_check
from segbench.cli.session import Session
from segbench.devices import choice
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.records.measurement import Measurement
from segbench.records.options import EpochOptions
from segbench.studies.as_command import command_of
from segbench.studies.gpu_check import check_stages, scale_for
from segbench.studies.planning import stage_of

Run = Callable[..., Result]
GIB = 2**30
TITLE = "NVIDIA H100 80GB HBM3"
CONTEXT = GIB // 2


class FakeGpu:
    """A case of the GPU takes `seconds`; a training step takes 1 GiB an image, and as much as predicted."""

    def __init__(self, machine: Any) -> None:
        self.machine, self.now, self.seconds = machine, 0.0, 0.0
        self.breaks_at = ""
        self.cases: list[Case] = []

    def clock(self) -> float:
        return self.now

    def run(self, case: Case, timeout_s: float, listen: Listener) -> CellResult:
        if case.task == self.breaks_at:
            raise RuntimeError("the driver is gone")
        self.cases.append(case)
        self.now += self.seconds if case.device.startswith("cuda") else 0.0
        found: CellResult = self.machine.run(case, timeout_s, listen)
        rows = tuple(self.rows(case))
        return CellResult(case, found.outcome, found.cause, found.environment, rows or found.measurements, 0.1)

    def rows(self, case: Case) -> Iterator[Measurement]:
        mode, cuda = case.modes[0], case.device.startswith("cuda")
        if case.task in ("memory", "predict"):
            reserved = GIB * (case.batch_size if mode == "train" else case.infer_batch)
            sizes = {"allocated": reserved, "reserved": reserved, "process": reserved + CONTEXT}
            for kind, size in sizes.items():
                yield Measurement(f"{mode}_peak_{kind}_bytes", size, "measured:cuda" if cuda else "predicted", mode)
        if case.task == "max_batch":
            line = [[size, size * GIB] for size in (8, 16)]
            yield Measurement("max_batch", 31, "predicted", mode, detail={"line": line})


@pytest.fixture
def gpu(machine: Any, monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    fake = FakeGpu(machine)
    monkeypatch.setattr("segbench.cli.session.local_executor", lambda *_: LocalExecutor(fake.run, workers=1))
    monkeypatch.setattr(nvml, "visible_gpus", lambda: [nvml.Gpu(0, TITLE, 80 * GIB, 0)])
    monkeypatch.setattr(choice, "package_version", lambda _: "2.13.0")
    monkeypatch.setattr(gpu_check, "TimeBox", partial(TimeBox, clock=fake.clock))
    monkeypatch.setattr(card, "source_text", lambda _: b"")  # part of every key, and slow to read
    return fake


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is its ledger alone: figures and pages take seconds."""

    def write(entries: Sequence[Entry], folder: Path, *_: object) -> list[Path]:
        for entry in entries:
            Ledger(folder).append(entry)
        return [folder / "ledger.jsonl"]

    monkeypatch.setattr(gpu_check, "write_evidence", write)


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_without_a_gpu_it_says_so_in_one_sentence(segbench: Run, machine: Any) -> None:
    result = segbench("gpu-check")
    assert result.exit_code == 2
    assert result.stderr_bytes is not None
    said = result.stderr_bytes.decode()
    assert said.count("\n") == 1
    assert "no CUDA GPU" in said
    assert "--plan" in said
    assert machine.cases == []


def test_the_plan_needs_no_gpu_and_runs_nothing(segbench: Run, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "source_text", lambda _: b"")
    result = segbench("gpu-check", "--plan")
    assert result.exit_code == 0, result.output
    shown = in_one_line(result.stdout)
    for part in ("memory of a training step at batch 24", "latency at batch 8, CUDA graph", "segbench max-batch -m"):
        assert part in shown
    assert machine.cases == []
    assert not Path("segbench-runs").exists()
    assert not Path("gpu-check").exists()


def test_a_whole_check_answers_every_stage_and_leaves_a_report(segbench: Run, gpu: FakeGpu) -> None:
    result = segbench("gpu-check", "--minutes", "60")
    assert result.exit_code == 0, result.output
    tasks = list(dict.fromkeys(case.task for case in gpu.cases if case.device == "cuda:0"))
    assert tasks == ["memory", "latency", "epoch", "gradients", "train"]
    assert "allocated: 38 of 38 within the goal of 1.0 %" in in_one_line(result.stdout)
    assert "no time for" not in result.output
    report = Path("gpu-check/report.md").read_text()
    assert report.startswith(f"# First measurements on {TITLE}\n")
    assert "## Peak memory, predicted beside measured" in report
    assert "## Largest batch, predicted beside proven" in report


@pytest.mark.usefixtures("brief")
def test_the_epoch_is_taken_at_the_batch_that_was_proven(segbench: Run, gpu: FakeGpu) -> None:
    segbench("gpu-check", "--minutes", "60")
    epochs = [(case.options_as(EpochOptions).images, case.batch_size) for case in gpu.cases if case.task == "epoch"]
    assert set(epochs) == {(16, 16), (367, 31)}


@pytest.mark.usefixtures("brief")
def test_what_the_ledger_answers_is_not_measured_again(segbench: Run, gpu: FakeGpu) -> None:
    segbench("gpu-check", "--minutes", "60")
    gpu.cases.clear()
    again = segbench("gpu-check", "--minutes", "60")
    assert again.exit_code == 0
    assert gpu.cases == []
    assert "allocated: 38 of 38" in in_one_line(again.stdout)


@pytest.mark.usefixtures("brief")
def test_what_has_no_time_is_left_out_and_the_next_call_goes_on_with_it(segbench: Run, gpu: FakeGpu) -> None:
    gpu.seconds = 6.0
    first = segbench("gpu-check", "--minutes", "3")
    assert first.exit_code == 0, first.output
    assert gpu.now <= 180
    assert {case.task for case in gpu.cases if case.device == "cuda:0"} == {"memory"}
    assert "no time for 9 of 9" in first.stderr
    assert "the same command goes on with what was left out" in in_one_line(first.stdout)
    before = set(gpu.cases)
    segbench("gpu-check", "--minutes", "60")
    twice = [case for case in gpu.cases if case in before and gpu.cases.count(case) > 1]
    assert [case for case in twice if case.budget_bytes is None] == []
    assert any(case.task == "train" for case in gpu.cases)


@pytest.mark.usefixtures("brief")
def test_a_stage_that_breaks_does_not_end_the_others(segbench: Run, gpu: FakeGpu) -> None:
    gpu.breaks_at = "latency"
    result = segbench("gpu-check", "--minutes", "60")
    assert result.exit_code == 1
    assert "latency at batch 1: broke off: RuntimeError: the driver is gone" in result.stderr
    assert any(case.task == "train" for case in gpu.cases)


@pytest.mark.usefixtures("brief")
def test_a_network_that_fails_does_not_end_its_stage(segbench: Run, gpu: FakeGpu) -> None:
    gpu.machine.ends = {"unet": "crashed"}
    result = segbench("gpu-check", "--minutes", "60")
    assert result.exit_code == 1
    answered = {entry.model for entry in Ledger(Path("segbench-runs")).entries() if entry.answered}
    assert {"hrnetv2", "segnode", "pspnet"} <= answered


@pytest.mark.usefixtures("brief")
def test_ctrl_c_leaves_a_report_of_what_there_is(segbench: Run, gpu: FakeGpu) -> None:
    gpu.machine.interrupt_at = "deeplabv3"
    result = segbench("gpu-check", "--minutes", "60")
    assert result.exit_code == 130
    assert len(Ledger(Path("gpu-check/ledger.jsonl")).entries()) == len(Ledger(Path("segbench-runs")).entries()) > 0


def test_a_folder_of_somebody_elses_is_refused_before_anything_is_measured(segbench: Run, gpu: FakeGpu) -> None:
    Path("mine/tables").mkdir(parents=True)
    Path("mine/tables/notes.txt").write_text("mine")
    assert segbench("gpu-check", "-o", "mine").exit_code == 2
    assert gpu.cases == []


def as_asked(case: Case) -> Case:
    """A search without what it assumes at first, to which `max-batch` adds the GPU's cuBLAS."""
    return replace(case, options=None) if case.task == "max_batch" and case.device != "none" else case


def test_the_plans_commands_ask_what_the_stages_ask(
    segbench: Run, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[Case] = []

    def only_planned(self: Session, cells: Any, *_: Any, **__: Any) -> None:
        planned.extend(cell.case for cell in cells)
        raise typer.Exit

    monkeypatch.setattr(Session, "measure", only_planned)
    where = Device("cuda:0", TITLE, 80 * GIB)
    scale = scale_for(where)
    for part in (part for stage in check_stages(where, scale, "runs") for part in stage.parts):
        if part.step.largest_batch is not None:
            continue  # begins with a search
        command = shlex.split(command_of(part.step, part.models, where, scale.rule))
        planned.clear()
        assert segbench(*command[1:]).exit_code == 0, command
        wanted = stage_of(part.step, find_models(list(part.models)), where, [], LocalExecutor(), scale.rule)
        assert list(map(as_asked, planned)) == [as_asked(cell.case) for cell in wanted.cells], command


def test_on_a_cpu_the_command_itself_works_in_earnest(segbench: Run) -> None:
    """Every stage in fresh processes; the machine may be slow, so there is ample time."""
    result = segbench("gpu-check", "--device", "cpu", "--minutes", "30")
    assert result.exit_code == 0, result.output
    entries = Ledger(Path("segbench-runs")).entries()
    assert {entry.outcome for entry in entries} == {"ok"}
    tasks = {"params", "predict", "memory", "max_batch", "latency", "epoch", "gradients", "train"}
    assert {entry.case.task for entry in entries} == tasks
    assert Path("segbench-runs/segnode-w8-synthetic/last.safetensors").is_file()
    assert "predicted beside measured" not in Path("gpu-check/report.md").read_text(), "nothing ran on a GPU"
