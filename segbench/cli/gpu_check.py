"""`segbench gpu-check`: the first minutes on a new GPU."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from segbench.cards.model import find_models
from segbench.cells.jobs import Job
from segbench.cells.series import Done, Planned
from segbench.cells.time_box import TimeBox
from segbench.cli.doctor import machine_facts
from segbench.cli.flags import flags
from segbench.cli.groups import OutputFlags, RunFlags
from segbench.cli.report import command_line, tell
from segbench.cli.session import Session
from segbench.cli.show import EXIT_CELL_FAILED, show
from segbench.devices.choice import Device, choose_device
from segbench.errors import LedgerError, UserError
from segbench.present.agreement import agreement_tables
from segbench.present.files import require_report_folder
from segbench.present.plan import PlannedStep, plan_table
from segbench.present.table import Rows, Table, table_of
from segbench.records.case import Case
from segbench.records.ledger import Entry, Ledger
from segbench.studies.as_command import command_of
from segbench.studies.catalogue import cards_of
from segbench.studies.evidence import write_evidence
from segbench.studies.gpu_check import CheckStage, Scale, check_stages, missing_packages, scale_for
from segbench.studies.planning import StudyStage, stage_of
from segbench.studies.report import newest

_REPORT_S = 10.0
"""Of the minutes, kept for the report."""

Minutes = Annotated[float, Option("--minutes", help="Time for all of it; what is left out is said.", min=0.5)]
DeviceName = Annotated[
    str, Option("--device", help="auto, cuda or cuda:N; cpu tries the command itself with small networks.")
]
OnlyPlan = Annotated[bool, Option("--plan", help="Show stages, networks and commands; run nothing, need no GPU.")]
Output = Annotated[Path, Option("-o", "--output", help="Folder of the report.")]


@flags(without=("reuse",), timeout=180.0)
def gpu_check(
    run: RunFlags,
    results: OutputFlags,
    minutes: Minutes = 8.0,
    device: DeviceName = "auto",
    plan: OnlyPlan = False,
    output: Output = Path("gpu-check"),
) -> None:
    """The first minutes on a new GPU: everything once, in the order of value, with one ledger and one report.

    Memory predicted and measured, largest batches predicted and proven, latency, training time, energy, gradients, a
    short training. What the ledger answers is not measured again: the same command goes on with what was left out. It
    does not run tests/gpu, which is not installed; in the source tree `make gpu` does both.
    """
    session = Session(run, results)
    where = _device(device, plan)
    check = _Check(session, where, run.ledger, TimeBox(60 * minutes - _REPORT_S))
    if plan:
        show(check.plan_tables(), [], "markdown" if results.format == "markdown" else "table")
        return
    require_report_folder(output)
    for name, value in machine_facts(run.ledger).items():
        check.say(f"{name}: {value}")
    try:
        check.run()
    finally:  # also after Ctrl-C
        if entries := check.entries():
            tell(write_evidence(entries, output, f"First measurements on {where.title}", command_line()), output)
    models = find_models(list(cards_of(entries)))
    session.finish(check.done, models, lambda entries, _: [*agreement_tables(entries), check.summary()])
    if check.broken:
        raise typer.Exit(EXIT_CELL_FAILED)


def _device(name: str, plan: bool) -> Device:
    """Raises:
    UserError: there is no GPU, and neither the plan nor the CPU was asked for.
    """
    where = choose_device(name, "gpu-check")
    if where.is_cuda or name == "cpu":
        return where
    if plan:
        return Device("cuda:0", "a CUDA GPU")
    raise UserError(
        f"gpu-check measures a CUDA GPU ({where.why}); --plan shows what it would do, "
        "--device cpu tries the command itself with small networks"
    )


@dataclass
class _Outcome:
    """What came of a stage."""

    title: str
    cases: int = 0
    answered: int = 0
    remark: str = ""


class _Check:
    """The stages, and what came of each.

    Args:
        where: the GPU.
        ledger: its folder; the training's goes there too.
        box: how long everything may take.
    """

    def __init__(self, session: Session, where: Device, ledger: Path, box: TimeBox) -> None:
        self._session, self._where, self._ledger, self._box = session, where, ledger, box
        self._scale: Scale = scale_for(where)
        self._stages = check_stages(where, self._scale, str(ledger))
        self._console = Console(stderr=True)
        self._outcomes: list[_Outcome] = []
        self._keys: set[str] = set()
        self.done: list[Done] = []
        self.broken = False

    def say(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    def run(self) -> None:
        """Every stage for which there is time; one that breaks does not end the others."""
        for number, stage in enumerate(self._stages, start=1):
            found = _Outcome(stage.title)
            self._outcomes.append(found)
            self.say(f"{number}/{len(self._stages)} {stage.title}; {max(0, self._box.left):.0f} s left")
            try:
                self._run(stage, found)
            except (typer.Exit, LedgerError):
                raise
            except Exception as error:  # minutes on a GPU are dear: the other stages still tell something
                self.broken = True
                found.remark = f"broke off: {type(error).__name__}: {error}"
                self.say(traceback.format_exc())
            if found.remark:
                self.say(f"{found.title}: {found.remark}")

    def _run(self, stage: CheckStage, found: _Outcome) -> None:
        parts = self._parts(stage)
        cells = [cell for part in parts for cell in part.cells]
        self._keys |= {cell.key for cell in cells}
        before = len(self._box.left_out)

        def jobs_of(cases: Sequence[Case]) -> Iterator[Job]:
            return self._box.within(_jobs(parts, cases), stage.seconds)

        done = self._session.measure(cells, jobs_of, name=_name, reuse=True) if cells else []
        self.done += done
        found.cases, found.answered = _count(parts), sum(item.entry.answered for item in done)
        found.remark = "; ".join([*_left_out(cells, self._box.left_out[before:]), *_waiting(parts)])

    def _parts(self, stage: CheckStage) -> list[StudyStage]:
        """As cells; an epoch takes only a batch that this device has proven."""
        proven = [entry for entry in Ledger(self._ledger).entries() if entry.case.device == self._where.name]
        scale, executor = self._scale, self._session.executor
        return [
            stage_of(part.step, find_models(list(part.models)), self._where, proven, executor, scale.rule)
            for part in stage.parts
        ]

    def entries(self) -> list[Entry]:
        """Everything this check has asked, as far as the ledger answers it."""
        return [entry for entry in newest(Ledger(self._ledger).entries()) if entry.key in self._keys]

    def summary(self) -> Table:
        rows: Rows = [[item.title, item.cases, item.answered, item.remark] for item in self._outcomes]
        notes = [f"not installed, and so left out: {name}" for name in missing_packages()]
        if self._box.left_out:
            notes.append("the same command goes on with what was left out for lack of time")
        return table_of("Stages", ["stage", "cases", "answered", "remark"], rows, notes, prose=True)

    def plan_tables(self) -> list[Table]:
        """The stages with their cost, and the command that asks the same as each part."""
        held = {entry.key for entry in Ledger(self._ledger).entries() if entry.answered}
        steps = [self._planned(stage, held) for stage in self._stages]
        commands = [
            [stage.title, command_of(part.step, part.models, self._where, self._scale.rule)]
            for stage in self._stages
            for part in stage.parts
        ]
        notes = ["in this order, as far as the minutes go; what needs no GPU runs beside what does and takes no time"]
        return [
            plan_table("What will be measured", steps, notes),
            table_of("The same as single commands", ["stage", "command"], commands, prose=True),
        ]

    def _planned(self, stage: CheckStage, held: set[str]) -> PlannedStep:
        parts = self._parts(stage)
        cells = [cell for part in parts for cell in part.cells]
        todo = [cell for cell in cells if cell.key not in held]
        waiting = sum(len(part.waiting) for part in parts)
        slow = sum(cell.case.device == self._where.name for cell in todo) + waiting
        return PlannedStep(
            stage.title, self._where.name, len(todo) + waiting, len(cells) - len(todo), slow * stage.seconds, "a guess"
        )


def _jobs(parts: Sequence[StudyStage], cases: Sequence[Case]) -> Iterator[Job]:
    """Of the cases that are still to be measured, each part's own."""
    for part in parts:
        own = {cell.case for cell in part.cells}
        yield from part.jobs_of([case for case in cases if case in own])


def _count(parts: Sequence[StudyStage]) -> int:
    return sum(len(part.cells) + len(part.waiting) for part in parts)


def _left_out(cells: Sequence[Planned], left_out: Sequence[Case]) -> list[str]:
    names = dict.fromkeys(cell.model.name for cell in cells if cell.case in left_out)
    return [f"no time for {len(left_out)} of {len(cells)}: {', '.join(names)}"] if left_out else []


def _waiting(parts: Sequence[StudyStage]) -> list[str]:
    names = dict.fromkeys(name for part in parts for name in part.waiting)
    return [f"no largest batch is proven of {', '.join(names)}"] if names else []


def _name(cell: Planned) -> str:
    case = cell.case
    return " ".join([case.task, cell.model.name, "+".join(case.modes), case.precision, *case.switches])
