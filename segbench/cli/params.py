"""`segbench params`: parameters and operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from segbench.cards.catalogue import find_models
from segbench.cells.series import plan
from segbench.cli import options
from segbench.cli.cases import default_classes, parse_arguments
from segbench.cli.session import Output, finish, measure
from segbench.present.export import Exports
from segbench.present.params import params_sheets
from segbench.records.case import Case
from segbench.records.host import cpu_name, package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

Depth = Annotated[int, typer.Option("--modules", help="Also a table of modules, so many levels deep.", min=0)]
Crosscheck = Annotated[
    bool, typer.Option("--crosscheck/--no-crosscheck", help="Let fvcore count too, which runs the network on the CPU.")
]


def params(
    model: options.Models,
    input: options.InputSize = "480x360",
    classes: options.Classes = None,
    dataset: options.Dataset = None,
    argument: options.Arguments = None,
    modules: Depth = 0,
    crosscheck: Crosscheck = True,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    timeout: options.Timeout = 600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Parameters, MACs and FLOPs of one image, counted by execution and by two other programs.

    --dataset only sets the number of classes; nothing is read.
    """
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    models = find_models(model)
    width, height = parse_size(input)
    case = Case(
        task="params",
        model="",
        arguments=parse_arguments(argument),
        width=width,
        height=height,
        modes=("infer",),
        classes=classes or default_classes(dataset),
        seed=seed,
        threads=threads,
    ).with_options(crosscheck=crosscheck)
    cells = plan(
        models, lambda network: [replace(case, model=network.spec)], cpu_name(), package_version("torch") or ""
    )
    done = measure(cells, ledger, timeout, reuse=reuse)
    cards = {item.name: item.card for item in models}
    finish(done, params_sheets([item.entry for item in done], cards, modules), cards, output)
