"""`segbench reproduce`: every number of the paper beside ours, with a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from rich.console import Console
from typer import Argument, Option

from segbench.cards.model import Model, find_models
from segbench.cards.naming import told_apart
from segbench.cells.parts import once_and_in_rounds
from segbench.cells.series import Done
from segbench.cli.cases import default_classes
from segbench.cli.checkpoints import SHIPPED, digest_of, trained_networks, usual_size
from segbench.cli.flags import Group, flags
from segbench.cli.groups import LabelledFlags, MachineFlags, OutputFlags, RunFlags
from segbench.cli.predicting import PredictionFlags
from segbench.cli.report import command_line, tell
from segbench.cli.session import Session
from segbench.cli.show import show
from segbench.cli.timing import print_advice
from segbench.cli.trajectory import EndFlags
from segbench.devices.choice import Device, choose_device
from segbench.present.files import require_report_folder
from segbench.present.plan import PlannedStep, plan_lines, plan_table
from segbench.present.table import Table
from segbench.present.trajectory import trajectory_tables
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry, Ledger
from segbench.records.options import Assumptions
from segbench.studies import figures
from segbench.studies.catalogue import FIGURE_NAMES, STUDIES, STUDY_NAMES, cards_of, findings, studies_named
from segbench.studies.duration import DurationEstimate, estimate_duration
from segbench.studies.evidence import write_evidence
from segbench.studies.planning import StudyStage, kind_of, stage_of
from segbench.studies.readings import predicted_under
from segbench.studies.report import newest
from segbench.studies.study import Step

_What = Annotated[str, Argument(help=", ".join(STUDY_NAMES), show_default=False)]
_DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and how long it will take; run nothing.")]
_Fresh = Annotated[bool, Option("--fresh", help="Measure anew what the ledger answers already.")]
_Report = Annotated[Path | None, Option("-o", "--output", help="Also write a report into this folder.")]
_FIXED = ("gpu", "context", "cublas", "nfe", "attention", "strategy", "ranks")
"""Flags of predictions that the studies settle."""
_DeviceName = Annotated[str, Option("--device", help="auto, cuda, cuda:N, cpu, or none (predict, run nothing).")]


@dataclass(frozen=True, kw_only=True)
class FigureFlags(Group):
    """Of the figures: which trained networks."""

    panel: ClassVar[str] = "Figures 3 and 4"

    model: Annotated[
        list[str] | None, Option("-m", "--model", help=f"An ODE network; repeatable. \\[default: {SHIPPED}]")
    ] = None
    checkpoint: Annotated[list[Path] | None, Option("--checkpoint", help="A run's folder or file; repeatable.")] = None


@flags(without=("split", "reuse", *_FIXED), timeout=3600.0)
def reproduce(
    what: _What,
    figure: FigureFlags,
    data: LabelledFlags,
    run: RunFlags,
    machines: MachineFlags,
    results: OutputFlags,
    prediction: PredictionFlags,
    device: _DeviceName = "auto",
    dry_run: _DryRun = False,
    output: _Report = None,
    fresh: _Fresh = False,
) -> None:
    """The paper's tables, figures and claims: published numbers, ours, a verdict for each, and the reasons.

    Shows the plan, then runs what the ledger does not answer yet; an interrupted command goes on where it stopped.
    Without a CUDA GPU, or with --device none, what can be predicted is predicted and the rest is marked as missing.
    """
    session = Session(run, results, machines)
    names = studies_named(what)
    if output is not None:
        require_report_folder(output)
    where = choose_device(device, "reproduce", True, session.seen.node(device) if session.seen else None)
    assumed = prediction.options(Assumptions).given()
    stages = _Stages(names, where, run.ledger, session, _Trajectory(figure, data, session), assumed)
    steps = _planned_steps(stages, fresh)
    if dry_run:
        show(
            [plan_table("Plan", steps, [_on_what(where)])], [], "markdown" if results.format == "markdown" else "table"
        )
        return
    for line in plan_lines(steps):
        Console(stderr=True).print(line)
    done = [item for stage in stages for item in _run(session, stage, fresh)]
    entries = predicted_under(newest(Ledger(run.ledger).entries()), assumed)
    if output is not None:
        tell(
            write_evidence(
                _evidence(done, entries), output, _title(names, where, prediction.assume_torch), command_line()
            ),
            output,
        )
    cards = cards_of(entries)
    session.finish(done, find_models(list(cards)), lambda *_: _sheets(names, entries))


def _evidence(done: Sequence[Done], entries: Sequence[Entry]) -> list[Entry]:
    """What was run or found for this command, and the trained networks' scores, which no command here makes."""
    keys = {item.entry.key for item in done}
    return [entry for entry in entries if entry.key in keys or entry.case.task == "evaluate"]


def _title(names: Sequence[str], where: Device, torch: str | None) -> str:
    """Of the report.

    Args:
        torch: the older release that predictions assume.
    """
    about = STUDIES[names[0]].title if names[0] in STUDIES else figures.TITLE
    title = about if len(names) == 1 else "The paper beside ours"
    title += f", torch {torch}" if torch else ""
    return f"{title}, predicted without a device" if where.name == "none" and set(names) - set(FIGURE_NAMES) else title


class _Trajectory:
    """What the figures are about."""

    def __init__(self, figure: FigureFlags, data: LabelledFlags, session: Session) -> None:
        self._figure, self._data, self._session = figure, data, session

    def stage(self, where: Device) -> StudyStage:
        """One sweep a network; by default the network that comes with segbench, on synthetic streets.

        Raises:
            CheckpointError: a network without weights; the sentence says how to train it.
        """
        data, dataset = self._data, self._data.named
        models = find_models(self._figure.model or [SHIPPED])
        curves = trained_networks(models, dataset, data.data_root, self._figure.checkpoint or [])
        by_name, rule = {curve.model.name: curve for curve in curves}, EndFlags().rule()
        fields = {**data.case_fields(), "split": "val", "device": where.name, "classes": default_classes(dataset)}

        def cases(model: Model) -> list[Case]:
            curve = by_name[model.name]
            width, height = usual_size(curve.checkpoint, curve.model, dataset)
            options = figures.trajectory_options(str(curve.checkpoint), digest_of(curve.checkpoint), rule)
            text = model.spec.text
            return [Case("trajectory", text, width=width, height=height, options=options, **fields)]

        cells = self._session.plan([curve.model for curve in curves], cases)
        return StudyStage(figures.STEP, cells, once_and_in_rounds(rule))


class _Stages:
    """Every step of the studies, once; each is made from what the ledger holds when its turn comes."""

    def __init__(
        self,
        names: Sequence[str],
        where: Device,
        ledger: Path,
        session: Session,
        trajectory: _Trajectory,
        assumed: Mapping[str, Json],
    ) -> None:
        self._names, self._where, self._ledger = names, where, ledger
        self._session, self._trajectory, self._assumed = session, trajectory, assumed

    def __iter__(self) -> Iterator[StudyStage]:
        for step, models in self._steps():
            if step.device == "none":  # a prediction
                step = replace(step, options={**step.options, **self._assumed})
            yield stage_of(step, find_models(list(models)), self._where, self.entries(), self._session.executor)
        if set(self._names) & set(FIGURE_NAMES):
            yield self._trajectory.stage(_able(self._where))

    def entries(self) -> list[Entry]:
        return Ledger(self._ledger).entries()

    def _steps(self) -> list[tuple[Step, tuple[str, ...]]]:
        """Steps that several studies share are taken with all their networks together."""
        wanted: dict[str, tuple[Step, dict[str, None]]] = {}
        for name in self._names:
            if name in STUDIES:
                study = STUDIES[name]
                for step in study.steps(kind_of(self._where)):
                    wanted.setdefault(step.title, (step, {}))[1].update(dict.fromkeys(study.models))
        return [(step, tuple(models)) for step, models in wanted.values()]


def _able(where: Device) -> Device:
    """A trajectory cannot be predicted: without a GPU the processor runs it."""
    return choose_device("cpu", "trajectory") if where.name == "none" else where


def _planned_steps(stages: _Stages, fresh: bool) -> list[PlannedStep]:
    entries = stages.entries()
    return [_planned(stage, estimate_duration(stage, entries, fresh)) for stage in stages]


def _on_what(where: Device) -> str:
    place = "memory is predicted; what is counted or solved runs on the CPU"
    place = f"on {where.title}" if where.name != "none" else place
    return f"{place}; {where.why}" if where.why else place


def _planned(stage: StudyStage, found: DurationEstimate) -> PlannedStep:
    devices = {"none": "no device"}
    device = next((devices.get(cell.case.device, cell.case.device) for cell in stage.cells), "")
    return PlannedStep(stage.step.title, device, found.todo, found.held, found.seconds, found.basis)


def _run(session: Session, stage: StudyStage, fresh: bool) -> list[Done]:
    if not stage.cells:
        return []
    done = session.measure(stage.cells, stage.jobs_of, reuse=not fresh)
    if stage.step.how == "rounds":
        print_advice(done)
    return done


def _sheets(names: Sequence[str], entries: Sequence[Entry]) -> list[Table]:
    found = findings(names, told_apart(entries))
    along = [entry for entry in entries if entry.case.task == "trajectory"] if set(names) & set(FIGURE_NAMES) else []
    return [*found.judged, *found.tables, *trajectory_tables(along)]
