"""`segbench reproduce`: every number of the paper beside ours, with a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.cards.catalogue import Model, find_models
from segbench.cells.series import Done, plan
from segbench.cli import options
from segbench.cli.cases import default_classes, found_root
from segbench.cli.checkpoints import digest_of, usual_size
from segbench.cli.report import command_line, tell
from segbench.cli.session import Output, finish, measure, show
from segbench.cli.timing import print_advice
from segbench.cli.trajectory import SHIPPED
from segbench.cli.trajectory_curves import curves_named
from segbench.devices.choice import Device, choose_device
from segbench.present.export import Exports
from segbench.present.files import require_report_folder
from segbench.present.plan import PlannedStep, plan_lines, plan_sheet
from segbench.present.table import Table
from segbench.present.trajectory import trajectory_sheets
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER, Entry, Ledger
from segbench.studies import figures
from segbench.studies.catalogue import FIGURE_NAMES, NAMES, STUDIES, cards_of, findings, named
from segbench.studies.duration import DurationEstimate, estimate_duration
from segbench.studies.evidence import write_evidence
from segbench.studies.planning import StudyStage, kind_of, stage_of
from segbench.studies.report import newest
from segbench.studies.study import Step

What = Annotated[str, typer.Argument(help=", ".join(NAMES), show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and how long it will take; run nothing.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Measure anew what the ledger answers already.")]
Report = Annotated[Path | None, typer.Option("-o", "--output", help="Also write a report into this folder.")]
Networks = Annotated[
    list[str] | None, typer.Option("-m", "--model", help=f"Of the figures: an ODE network. \\[default: {SHIPPED}]")
]
Checkpoints = Annotated[
    list[Path] | None, typer.Option("--checkpoint", help="Of the figures: a run's folder or file; repeatable.")
]


def reproduce(
    what: What,
    device: options.DeviceName = "auto",
    dry_run: DryRun = False,
    output: Report = None,
    fresh: Fresh = False,
    model: Networks = None,
    dataset: options.Labelled = None,
    data_root: options.DataRoot = None,
    checkpoint: Checkpoints = None,
    timeout: options.Timeout = 3600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """The paper's tables, figures and claims: published numbers, ours, a verdict for each, and the reasons.

    Shows the plan, then runs what the ledger does not answer yet; an interrupted command goes on where it stopped.
    Without a CUDA GPU, or with --device none, what can be predicted is predicted and the rest is marked as missing.
    """
    results = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    names = named(what)
    if output is not None:
        require_report_folder(output)
    where = choose_device(device, "reproduce")
    stages = _Stages(names, where, ledger, _Trajectory(model, dataset, data_root, checkpoint))
    steps = _plan(stages, where, fresh)
    if dry_run:
        show([plan_sheet("Plan", steps, [_told(where)])], [], "markdown" if format == "markdown" else "table")
        return
    for line in plan_lines(steps):
        Console(stderr=True).print(line)
    done = [item for stage in stages for item in _run(stage, ledger, timeout, fresh)]
    entries = newest(Ledger(ledger).entries())
    if output is not None:
        tell(write_evidence(_evidence(done, entries), output, _title(names, where), command_line()), output)
    finish(done, _sheets(names, entries), cards_of(entries), results)


def _evidence(done: Sequence[Done], entries: Sequence[Entry]) -> list[Entry]:
    """What was run or found for this command, and the trained networks' scores, which no command here makes."""
    keys = {item.entry.key for item in done}
    return [entry for entry in entries if entry.key in keys or entry.case.task == "evaluate"]


def _title(names: Sequence[str], where: Device) -> str:
    """Of the report."""
    about = STUDIES[names[0]].title if names[0] in STUDIES else figures.TITLE
    title = about if len(names) == 1 else "The paper beside ours"
    return f"{title}, predicted without a device" if where.name == "none" and set(names) - set(FIGURE_NAMES) else title


class _Trajectory:
    """What the figures are about, as typed."""

    def __init__(
        self, models: list[str] | None, dataset: str | None, root: Path | None, checkpoints: list[Path] | None
    ) -> None:
        self._models, self._dataset, self._root, self._checkpoints = models, dataset, root, checkpoints

    def stage(self, where: Device) -> StudyStage:
        """One sweep a network; by default the network that comes with segbench, on synthetic streets.

        Raises:
            CheckpointError: a network without weights; the sentence says how to train it.
        """
        dataset = self._dataset or "synthetic"
        root = found_root(dataset, self._root)
        curves = curves_named(find_models(self._models or [SHIPPED]), dataset, self._root, self._checkpoints or [], [])
        by_name = {curve.model.name: curve for curve in curves}

        def cases(network: Model) -> list[Case]:
            curve = by_name[network.name]
            case = Case(
                "trajectory", network.spec, device=where.name, classes=default_classes(dataset), dataset=dataset,
                data_root=root,
            )  # fmt: skip
            size = usual_size(curve.checkpoint, curve.model, dataset)
            return [figures.trajectory_case(case, str(curve.checkpoint), digest_of(curve.checkpoint), *size)]

        cells = plan([curve.model for curve in curves], cases, where.title, package_version("torch") or "")
        return StudyStage(figures.STEP, cells, together=False, arrange=lambda runner: runner)


class _Stages:
    """Every step of the studies, once; each is made from what the ledger holds when its turn comes."""

    def __init__(self, names: Sequence[str], where: Device, ledger: Path, trajectory: _Trajectory) -> None:
        self._names, self._where, self._ledger, self._trajectory = names, where, ledger, trajectory

    def __iter__(self) -> Iterator[StudyStage]:
        for step, models in self._steps():
            yield stage_of(step, find_models(list(models)), self._where, self.entries())
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


def _plan(stages: _Stages, where: Device, fresh: bool) -> list[PlannedStep]:
    entries = stages.entries()
    return [_planned(stage, estimate_duration(stage, entries, fresh), where) for stage in stages]


def _told(where: Device) -> str:
    why = f"; {where.why}" if where.why else ""
    note = (
        f"on {where.title}"
        if where.name != "none"
        else "memory is predicted; what is counted or solved runs on the CPU"
    )
    return note + why


def _planned(stage: StudyStage, found: DurationEstimate, where: Device) -> PlannedStep:
    device = {"none": "no device", "cpu": "cpu", "same": where.name if where.name != "none" else "cpu"}
    return PlannedStep(stage.step.title, device[stage.step.device], found.todo, found.held, found.seconds, found.basis)


def _run(stage: StudyStage, ledger: Path, timeout_s: float, fresh: bool) -> list[Done]:
    if not stage.cells:
        return []
    done = measure(stage.cells, ledger, timeout_s, reuse=not fresh, together=stage.together, arrange=stage.arrange)
    if stage.step.headline:
        print_advice(done, stage.step.headline)
    return done


def _sheets(names: Sequence[str], entries: Sequence[Entry]) -> list[Table]:
    found = findings(names, entries)
    along = [entry for entry in entries if entry.case.task == "trajectory"] if set(names) & set(FIGURE_NAMES) else []
    return [*found.judged, *found.tables, *trajectory_sheets(along)]
