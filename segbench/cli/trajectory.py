"""`segbench trajectory`: accuracy against compute along a network's time, and answers that stop by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench.cards.catalogue import Model, find_models
from segbench.cells.series import Done, plan
from segbench.cli import options
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.checkpoints import digest_of, trained_arguments, usual_size
from segbench.cli.session import Output, finish, measure
from segbench.cli.trajectory_curves import curves_named
from segbench.devices.choice import choose_device
from segbench.errors import UserError
from segbench.present.export import Exports
from segbench.present.trajectory import trajectory_sheets
from segbench.records.case import Case
from segbench.records.dataset_spec import published_dataset
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

SHIPPED = "segnode-synthetic"
"""The card whose weights come with segbench."""

Models = Annotated[
    list[str] | None,
    typer.Option("-m", "--model", help=f"An ODE network, or one with exits; repeatable. \\[default: {SHIPPED}]"),
]
Checkpoints = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", help="A run's folder or file; repeatable. \\[default: runs/MODEL-DATASET/best]"),
]
Times = Annotated[
    str | None, typer.Option("--times", help="End times, 0:1:0.125 or 0,0.5,1. \\[default: the solver's grid]")
]
Steps = Annotated[
    str | None,
    typer.Option(
        "--steps", help="Other numbers of steps for the whole solve, 1,2,8; none. \\[default: 1, half, double]"
    ),
]
Solvers = Annotated[
    list[str] | None,
    typer.Option("--solver", help="A curve for each of these solvers; repeatable. \\[default: the card's]"),
]
Stops = Annotated[
    list[str] | None,
    typer.Option("--stop", help='Stop each image by itself: "change<0.05", confidence, state, oracle; repeatable.'),
]
InputSize = Annotated[str | None, typer.Option("--input", help="Size images are shown at. \\[default: as trained]")]
Images = Annotated[
    int | None, typer.Option("--images", help="So many of the split, spread evenly. \\[default: all]", min=1)
]
Pictures = Annotated[int, typer.Option("--pictures", help="Images in the strip.", min=0)]
Runs = Annotated[int, typer.Option("--runs", help="Timed calls of each end.", min=2)]
Seconds = Annotated[float, typer.Option("--max-seconds", help="Timing starts no further round after them.", min=0)]
Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder of trajectory.png and its companions.")]


def trajectory(
    model: Models = None,
    dataset: options.Labelled = None,
    data_root: options.DataRoot = None,
    split: options.Split = "val",
    checkpoint: Checkpoints = None,
    times: Times = None,
    steps: Steps = None,
    solver: Solvers = None,
    stop: Stops = None,
    images: Images = None,
    pictures: Pictures = 3,
    output: Folder = Path(),
    input: InputSize = None,
    infer_batch: options.InferBatch = 1,
    runs: Runs = 11,
    max_seconds: Seconds = 60.0,
    device: options.DeviceName = "auto",
    precision: options.Precision = "fp32",
    argument: options.Arguments = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    channels_last: options.ChannelsLast = False,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    timeout: options.Timeout = 86400.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """What every end time of a trained ODE network costs and buys, and every number of steps.

    Writes trajectory.png (mIoU against evaluations, operations and time), trajectory-error.png (the error over time)
    and trajectory-strip.png (some images over time). Without a model: the network that comes with segbench, on
    synthetic streets, in less than a minute.
    """
    results = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    dataset = dataset or "synthetic"
    root = found_root(dataset, data_root)
    curves = curves_named(find_models(model or [SHIPPED]), dataset, data_root, checkpoint or (), solver or ())
    where = choose_device(device, "trajectory")
    case = (
        Case(
            task="trajectory",
            model="",
            arguments=parse_arguments(argument),
            device=where.name,
            infer_batch=infer_batch,
            modes=("infer",),
            classes=default_classes(dataset),
            precision=precision,
            dataset=dataset,
            data_root=root,
            split=split,
            seed=seed,
            threads=threads,
            channels_last=channels_last,
            tf32=tf32,
            cudnn_benchmark=cudnn_benchmark,
        )
        .with_options(
            times=parse_times(times), steps=parse_steps(steps), stop=tuple(stop or ()), images=images, pictures=pictures
        )
        .with_options(runs=runs, seconds=max_seconds)
    )
    by_name = {item.model.name: item for item in curves}

    def one_curve(network: Model) -> list[Case]:
        curve = by_name[network.name]
        width, height = parse_size(input) if input else usual_size(curve.checkpoint, curve.model, dataset)
        sized = replace(case, model=network.spec, width=width, height=height)
        sized = sized.with_arguments(**trained_arguments(curve.checkpoint, dict(case.arguments)))
        if curve.solver:
            sized = sized.with_arguments(solver=curve.solver, gradient="backprop")
        strip = output / ("trajectory-strip.png" if len(curves) == 1 else f"trajectory-strip-{curve.file_name}.png")
        path, digest = str(curve.checkpoint), digest_of(curve.checkpoint)
        return [sized.with_options(checkpoint=path, weights=digest, strip=str(strip) if pictures else None)]

    cells = plan([item.model for item in curves], one_curve, where.title, package_version("torch") or "")
    done = measure(cells, ledger, timeout, reuse=reuse)
    _draw(done, f"{published_dataset(dataset)} {split}", output)
    cards = {item.model.name: item.model.card for item in curves}
    finish(done, trajectory_sheets([item.entry for item in done]), cards, results)


def _draw(done: Sequence[Done], title: str, folder: Path) -> None:
    """The figures of all curves that have points."""
    from segbench.present.trajectory_figures import (
        draw_curves,
        draw_error,
        trajectory_curves,
    )  # matplotlib is slow to start

    curves = trajectory_curves([item.entry for item in done])
    if not curves:
        return
    console = Console(stderr=True)
    for draw, name in ((draw_curves, "trajectory.png"), (draw_error, "trajectory-error.png")):
        draw(curves, title, folder / name)
        console.print(f"wrote {folder / name}", highlight=False)
    strips = [item.entry.case.option("strip") for item in done if item.fresh and item.entry.outcome == "ok"]
    for strip in filter(None, strips):
        console.print(f"wrote {strip}", highlight=False)


def parse_times(text: str | None) -> tuple[float, ...] | None:
    """`0:1:0.25` or `0,0.25,1` as numbers; None for the solver's own grid.

    Raises:
        UserError: neither, negative, or a step that leads nowhere.
    """
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError:
        numbers = []
    if ":" in text and len(numbers) == 3 and numbers[2] > 0 and numbers[1] >= numbers[0]:
        first, last, step = numbers
        numbers = [round(first + step * number, 9) for number in range(int((last - first) / step + 1e-9) + 1)]
    elif ":" in text:
        numbers = []
    if not numbers or not all(0 <= number < float("inf") for number in numbers):
        raise UserError(f"--times {text!r} are no end times; write FIRST:LAST:STEP, as in 0:1:0.125, or 0,0.5,1")
    return tuple(sorted(set(numbers)))


def parse_steps(text: str | None) -> tuple[int, ...] | None:
    """`1,2,8` as numbers; nothing for `none`, None for the usual ones.

    Raises:
        UserError: not whole numbers from 1.
    """
    if text is None or text == "none":
        return None if text is None else ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"--steps {text!r} are no numbers of steps; write whole numbers from 1, as in 1,2,8, or none")
    return tuple(sorted({int(part) for part in parts}))
