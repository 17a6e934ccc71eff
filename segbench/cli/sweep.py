"""`segbench sweep`: one task over a grid of conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench.cards.catalogue import find_models
from segbench.cells.rounds import in_rounds
from segbench.cells.series import Planned, plan, resume
from segbench.cli import options, timing
from segbench.cli.cases import default_classes, found_root, images_of_epoch
from segbench.cli.grid import TASKS, SweepGrid, grid_of_flags, label, read_grid
from segbench.cli.session import Output, finish, measure, show
from segbench.devices.choice import choose_device
from segbench.errors import UserError
from segbench.present.export import Exports
from segbench.present.sweep import SweepProgress, cells_sheet, sweep_sheet
from segbench.records.case import Case, Json
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER, Ledger
from segbench.units import parse_size

What = Annotated[str, typer.Argument(help=f"A grid in a TOML file, or a task: {', '.join(TASKS)}.", show_default=False)]
Values = Annotated[list[str] | None, typer.Argument(help="The values of each -L, in order.", show_default=False)]
Models = Annotated[list[str] | None, typer.Option("-m", "--model", help="As elsewhere; repeatable.")]
Vary = Annotated[
    list[str] | None, typer.Option("-L", "--vary", help="A factor, then its values: -L batch_size 1,2,4; repeatable.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list the cells, and which the ledger has.")]
Again = Annotated[bool, typer.Option("--again", help="Measure also what the ledger already answers.")]


def sweep(
    what: What,
    values: Values = None,
    vary: Vary = None,
    model: Models = None,
    device: options.DeviceName = "auto",
    input: options.InputSize = "480x360",
    classes: options.Classes = None,
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
    images: options.Images = None,
    noise: timing.Target = timing.USUAL.target,
    rounds: timing.RoundCount = timing.USUAL.min_rounds,
    min_runs: timing.MinRuns = timing.USUAL.min_runs,
    max_runs: timing.MaxRuns = timing.USUAL.max_runs,
    max_seconds: timing.MaxSeconds = timing.USUAL.max_seconds,
    warmup: timing.WarmUp = 2,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    timeout: options.Timeout = 600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    dry_run: DryRun = False,
    again: Again = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Every combination of values, each in processes of its own; what the ledger has is not measured again.

    A cell that fails does not stop the others. In a file: task = "latency", model = ["unet"], \\[fixed] and
    \\[grid], as in infer_batch = [1, 2, 4] and "argument.steps" = [2, 4].
    """
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    grid = _grid(what, values, vary, model)
    rule = timing.stop_rule(noise, rounds, min_runs, max_runs, max_seconds)
    models = find_models(list(grid.models))
    where = choose_device(device, grid.task)
    width, height = parse_size(input)
    case = Case(
        task="predict" if where.name == "none" else grid.task,
        model="",
        device=where.name,
        width=width,
        height=height,
        classes=classes or default_classes(dataset),
        dataset=dataset,
        data_root=found_root(dataset, data_root),
        split=split,
        seed=seed,
        threads=threads,
        warmup=warmup,
    )
    timed = grid.task in _TIMED
    if timed:
        case = case.with_options(images=images or images_of_epoch(dataset, split), **rule.options())
    cases = dict.fromkeys(replace(found, modes=modes) for found in grid.cases(case) for modes in TASKS[grid.task])
    cells = plan(
        models,
        lambda network: [replace(found, model=network.spec) for found in cases],
        where.title,
        package_version("torch") or "",
    )
    factors = {cell.key: _varied(grid, cell) for cell in cells}
    names = {cell.key: _name(cell, factors[cell.key]) for cell in cells}
    if dry_run:
        _, known = resume(cells, Ledger(ledger).entries(), reuse=not again)
        show([cells_sheet([(names[cell.key], cell.key in known) for cell in cells])], [], "table")
        return
    done = measure(
        cells,
        ledger,
        timeout,
        reuse=not again,
        arrange=in_rounds(rule, _TIMED[grid.task]) if timed else lambda runner: runner,
        display=SweepProgress,
        name=lambda cell: names[cell.key],
    )
    if timed:
        timing.print_advice(done, _TIMED[grid.task], names)
    entries = [item.entry for item in done]
    sheet = sweep_sheet(grid.task, [factors[entry.key] for entry in entries], entries)
    finish(done, [sheet], {item.name: item.card for item in models}, output)


_TIMED = {"latency": "latency_s", "epoch": "epoch_s"}
"""Tasks measured in rounds -> the quantity their stop rule looks at."""


def _grid(what: str, values: list[str] | None, vary: list[str] | None, models: list[str] | None) -> SweepGrid:
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
            found[name] = getattr(cell.case, name)
    if len(TASKS[grid.task]) > 1:
        found["mode"] = "+".join(cell.case.modes)
    return found


def _name(cell: Planned, factors: Mapping[str, Json]) -> str:
    return f"{cell.model.name} {label(factors)}".strip()
