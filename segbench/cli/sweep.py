"""`segbench sweep`: one task over a grid of conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from segbench.cards.model import Model, find_models
from segbench.cells.jobs import Job, JobsOf, single_jobs
from segbench.cells.rounds import Rounds
from segbench.cells.series import Planned, resume
from segbench.cli.cases import default_classes, images_of_epoch
from segbench.cli.flags import flags
from segbench.cli.grid import SweepGrid, grid_of_flags, label, read_grid, sweepable
from segbench.cli.groups import ConditionFlags, DataFlags, MachineFlags, OutputFlags, RunFlags, SizeFlags, TimingFlags
from segbench.cli.session import Session
from segbench.cli.show import show
from segbench.cli.timing import print_advice
from segbench.errors import UserError
from segbench.present.sweep import SweepProgress, cells_table, sweep_table
from segbench.records.case import Case, Json
from segbench.records.ledger import Ledger
from segbench.records.options import EpochOptions, Options, TimingOptions
from segbench.records.tasks import TASKS, Task
from segbench.statistics.stopping import StopRule

_What = Annotated[
    str | None, Argument(help=f"A grid in a TOML file, or a task: {', '.join(sweepable())}.", show_default=False)
]
_TaskName = Annotated[str | None, Option("--task", help="The task, where it does not stand first.")]
_Values = Annotated[list[str] | None, Argument(help="The values of each -L, in order.", show_default=False)]
_Models = Annotated[list[str] | None, Option("-m", "--model", help="As elsewhere; repeatable.")]
_Vary = Annotated[
    list[str] | None,
    Option("-L", "--vary", help="A factor, then its values: -L batch_size 1,2,4, or -L model=unet; repeatable."),
]
_DryRun = Annotated[bool, Option("--dry-run", help="Only list the cells, and which the ledger has.")]
_Again = Annotated[bool, Option("--again", help="Measure also what the ledger already answers.")]
_Images = Annotated[
    int | None, Option("--images", help="Images of an epoch. \\[default: the split's; 367, CamVid's]", min=1)
]


@flags(without=("reuse",))
def sweep(
    size: SizeFlags,
    data: DataFlags,
    conditions: ConditionFlags,
    timing: TimingFlags,
    run: RunFlags,
    machines: MachineFlags,
    output: OutputFlags,
    what: _What = None,
    values: _Values = None,
    task_name: _TaskName = None,
    vary: _Vary = None,
    model: _Models = None,
    classes: Annotated[
        int | None, Option("--classes", help="Classes. \\[default: 11, or the data set's]", min=1)
    ] = None,
    images: _Images = None,
    dry_run: _DryRun = False,
    again: _Again = False,
) -> None:
    """Every combination of values, each in processes of its own; what the ledger has is not measured again.

    A cell that fails does not stop the others. In a file: task = "latency", model = ["unet"], \\[fixed] and
    \\[grid], as in infer_batch = [1, 2, 4] and "argument.steps" = [2, 4].
    """
    session = Session(run, output, machines)
    grid = _grid(*_task_first(what, values, task_name), vary, model)
    task, rule = TASKS[grid.task], timing.rule()
    models = find_models(list(grid.models))
    where = conditions.where(grid.task, predicts=task.predicted_by is not None, seen=session.seen)
    if where.name == "none":
        task = TASKS[str(task.predicted_by)]
    case = partial(
        Case,
        task.name,
        device=where.name,
        classes=classes or default_classes(data.dataset),
        warmup=timing.warmup,
        options=_options(task, rule, lambda: images or images_of_epoch(data.dataset, data.split)),
        **size.case_fields(),
        **data.case_fields(),
        **conditions.case_fields(),
    )

    def cases(named: Model) -> list[Case]:
        found = list(grid.cases(case(model=named.spec.text, **size.own(named))))
        return list(dict.fromkeys(replace(item, modes=(mode,)) for item in found for mode in task.modes))

    cells = session.plan(models, cases)
    factors = {cell.key: _varied(grid, cell) for cell in cells}
    names = {cell.key: f"{cell.model.name} {label(factors[cell.key])}".strip() for cell in cells}
    if dry_run:
        _, known = resume(cells, Ledger(run.ledger).entries(), reuse=not again)
        show([cells_table([(names[cell.key], cell.key in known) for cell in cells])], [], "table")
        return
    jobs_of = _each_in_rounds(rule) if task.timed else single_jobs
    done = session.measure(cells, jobs_of, display=SweepProgress, name=lambda cell: names[cell.key], reuse=not again)
    if task.timed:
        print_advice(done, names)
    session.finish(
        done,
        models,
        lambda entries, _: [sweep_table(grid.task, [factors[entry.key] for entry in entries], entries)],
    )


def _options(task: Task, rule: StopRule, images: Callable[[], int | None]) -> Options:
    """The task's options as the flags have them."""
    if issubclass(task.options, EpochOptions):
        return task.options.parse({**rule.options(), "images": images()})
    return task.options.parse(rule.options() if issubclass(task.options, TimingOptions) else {})


def _each_in_rounds(rule: StopRule) -> JobsOf:
    """Rounds of one cell each: a cell that is slow does not keep the others waiting."""

    def jobs(cases: Sequence[Case]) -> list[Job]:
        return [Rounds((case,), rule) for case in cases]

    return jobs


def _task_first(what: str | None, values: list[str] | None, task: str | None) -> tuple[str, list[str]]:
    """The task or file, and the values of each -L; behind `--task` every word that stands alone is a value.

    Raises:
        UserError: neither.
    """
    words = [*([what] if what else []), *(values or [])]
    if task is None and not words:
        raise UserError("a sweep needs a task or a grid's file: segbench sweep memory, or --task memory")
    return (task, words) if task is not None else (words[0], words[1:])


def _grid(what: str, values: list[str], vary: list[str] | None, models: list[str] | None) -> SweepGrid:
    """The grid of a file, to which flags may add networks, or of the flags alone.

    Raises:
        UserError: see `read_grid` and `grid_of_flags`.
    """
    if not what.endswith(".toml"):
        return grid_of_flags(what, models or (), vary or (), values or ())
    if vary or values:
        raise UserError(f"{what} has its own [grid]; give either the file or -L")
    return read_grid(Path(what), models or ())


def _varied(grid: SweepGrid, cell: Planned) -> Mapping[str, Json]:
    """The values of the axes in a cell, as they stand in its case."""
    found = {}
    for name in grid.axes:
        if name == "input":
            found[name] = f"{cell.case.width}x{cell.case.height}"
        elif name.startswith("argument."):
            found[name] = dict(cell.case.arguments)[name.removeprefix("argument.")]
        else:
            found[name] = getattr(cell.case if hasattr(cell.case, name) else cell.case.options, name)
    if len(cell.case.kind.modes) > 1:
        found["mode"] = "+".join(cell.case.modes)
    return found
