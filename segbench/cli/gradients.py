"""`segbench gradients`: what every way to differentiate an ODE network costs, and how right it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench.cards.catalogue import Model, find_models
from segbench.cells.series import plan
from segbench.cli import options
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.checkpoints import digest_of, trained_arguments
from segbench.cli.session import Output, finish, measure
from segbench.devices.choice import choose_device
from segbench.errors import CheckpointError
from segbench.present.export import Exports
from segbench.present.gradients import gradients_sheets
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

Solvers = Annotated[
    list[str] | None,
    typer.Option("--solver", help="Only these solvers; repeatable. \\[default: all fixed grids, dopri5]"),
]
Gradients = Annotated[
    list[str] | None,
    typer.Option("--gradient", help="Only these gradient methods; repeatable. \\[default: all that fit]"),
]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", help="Trained weights; the errors depend on them. \\[default: as drawn]")
]
InputSize = Annotated[str | None, typer.Option("--input", help="Input size, as in 240x180. \\[default: the card's]")]
BatchSize = Annotated[int, typer.Option("-b", "--batch-size", help="Images per step.", min=1)]
Rounds = Annotated[int, typer.Option("--rounds", help="Timed steps of each method, in turns.", min=1)]


def gradients(
    model: options.Models,
    device: options.DeviceName = "auto",
    input: InputSize = None,
    batch_size: BatchSize = 2,
    solver: Solvers = None,
    gradient: Gradients = None,
    checkpoint: Checkpoint = None,
    rounds: Rounds = 3,
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
    argument: options.Arguments = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    channels_last: options.ChannelsLast = False,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    timeout: options.Timeout = 3600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Every pair of solver and gradient method: peak memory, time, evaluations of f, and the gradient's error.

    The error is against plain back-propagation through the same solver, on one batch.
    """
    results = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    models = find_models(model)
    if checkpoint is not None and not checkpoint.is_file():
        raise CheckpointError(f"there is no checkpoint {checkpoint}; leave --checkpoint out for weights as drawn")
    where = choose_device(device, "gradients")
    case = Case(
        task="gradients",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        batch_size=batch_size,
        modes=("train",),
        classes=classes or default_classes(dataset),
        precision=precision,
        dataset=dataset,
        data_root=found_root(dataset, data_root),
        split=split,
        seed=seed,
        threads=threads,
        channels_last=channels_last,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
    ).with_options(
        solvers=tuple(solver or ()),
        gradients=tuple(gradient or ()),
        rounds=rounds,
    )

    def one_network(network: Model) -> list[Case]:
        size = network.card.input
        width, height = parse_size(input) if input else (size.width, size.height)
        sized = replace(case, model=network.spec, width=width, height=height)
        if checkpoint is None:
            return [sized]
        sized = sized.with_arguments(**trained_arguments(checkpoint, dict(case.arguments)))
        return [sized.with_options(checkpoint=str(checkpoint), weights=digest_of(checkpoint))]

    cells = plan(models, one_network, where.title, package_version("torch") or "")
    done = measure(cells, ledger, timeout, reuse=reuse)
    finish(done, gradients_sheets([item.entry for item in done]), {item.name: item.card for item in models}, results)
