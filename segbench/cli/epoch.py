"""`segbench epoch`: training time per step and per epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench.cards.catalogue import find_models
from segbench.cells.rounds import in_rounds
from segbench.cells.series import plan
from segbench.cli import options, timing
from segbench.cli.cases import default_classes, found_root, images_of_epoch, parse_arguments
from segbench.cli.largest import SearchRequest, understood
from segbench.cli.predicting import BudgetText
from segbench.cli.session import Output, finish, measure
from segbench.devices.choice import Device, choose_device
from segbench.errors import UserError
from segbench.present.epoch import epoch_sheets
from segbench.present.export import Exports
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER, Entry
from segbench.units import parse_size

Batch = Annotated[
    str, typer.Option("-b", "--batch-size", help="Images per step, or max: the largest that fits the budget.")
]
Workers = Annotated[int, typer.Option("--workers", help="Processes that load images.", min=0)]


def epoch(
    model: options.Models,
    device: options.DeviceName = "auto",
    input: options.InputSize = "480x360",
    batch_size: Batch = "1",
    budget: BudgetText = None,
    images: options.Images = None,
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    optimizer: options.Optimizer = None,
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
    workers: Workers = 0,
    argument: options.Arguments = None,
    noise: timing.Target = timing.USUAL.target,
    rounds: timing.RoundCount = timing.USUAL.min_rounds,
    min_runs: timing.MinRuns = timing.USUAL.min_runs,
    max_runs: timing.MaxRuns = timing.USUAL.max_runs,
    max_seconds: timing.MaxSeconds = timing.USUAL.max_seconds,
    warmup: timing.WarmUp = 2,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    channels_last: options.ChannelsLast = False,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    compile: options.Compile = False,
    timeout: options.Timeout = 600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Training time of a step and of an epoch: loading, forward, backward, optimizer.

    The networks take turns in rounds of fresh processes until each median is known to the noise target. The paper
    trains each network at the largest batch that fits its GPU: -b max --budget 32GB.
    """
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    rule = timing.stop_rule(noise, rounds, min_runs, max_runs, max_seconds)
    models = find_models(model)
    where = choose_device(device, "epoch")
    width, height = parse_size(input)
    case = Case(
        task="epoch",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        width=width,
        height=height,
        modes=("train",),
        classes=classes or default_classes(dataset),
        precision=precision,
        optimizer=optimizer,
        dataset=dataset,
        data_root=found_root(dataset, data_root),
        split=split,
        seed=seed,
        threads=threads,
        warmup=warmup,
        channels_last=channels_last,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
        compile=compile,
    ).with_options(images=images or images_of_epoch(dataset, split), workers=workers, **rule.options())
    if budget is not None and batch_size != "max":
        raise UserError(f"--budget {budget} says how large a batch may become; give it with -b max")
    if workers and dataset is None:
        raise UserError("--workers load real images; give -d, as in -d camvid, or leave them out")
    if batch_size == "max":
        sizes = _largest_batches(case, model, argument, where, budget, ledger, timeout)
    else:
        sizes = dict.fromkeys((network.name for network in models), _number(batch_size))
    cells = plan(
        models,
        lambda network: [replace(case, model=network.spec, batch_size=sizes[network.name])],
        where.title,
        package_version("torch") or "",
    )
    done = measure(cells, ledger, timeout, reuse=reuse, together=True, arrange=in_rounds(rule, "epoch_s"))
    timing.print_advice(done, "epoch_s")
    cards = {item.name: item.card for item in models}
    finish(done, epoch_sheets([item.entry for item in done], cards), cards, output)


def _largest_batches(
    case: Case,
    models: list[str],
    arguments: list[str] | None,
    where: Device,
    budget: str | None,
    ledger: Path,
    timeout_s: float,
) -> dict[str, int]:
    """The largest training batch of each network: tried on the GPU, or predicted for a budget where there is none.

    Raises:
        UserError: no GPU and no budget, or a network that does not fit at all.
    """
    if where.name == "cpu" and budget is None:
        raise UserError("-b max needs a budget where there is no GPU: give --budget, as in --budget 32GB")
    fields = ("precision", "optimizer", "seed", "threads", "channels_last", "tf32", "cudnn_benchmark")
    request = SearchRequest(
        task="max_batch",
        models=models,
        budget=budget,
        device="none" if where.name == "cpu" else where.name,
        mode="train",
        input=f"{case.width}x{case.height}",
        classes=case.classes,
        dataset=None,
        arguments=arguments,
        fields={name: getattr(case, name) for name in fields},
    )
    done = understood(request).answers(ledger, timeout_s, reuse=True)
    return {item.entry.model: _batch_of(item.entry) for item in done}


def _batch_of(entry: Entry) -> int:
    for item in entry.measurements:
        if item.quantity == "max_batch" and item.value:
            return int(item.value)
    why = entry.cause or next((item.cause for item in entry.measurements if item.cause), "")
    raise UserError(f"no batch of {entry.model} fits the budget ({why}); give a larger --budget, or -b 1")


def _number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"--batch-size {text!r} is neither a number of images nor max")
    return int(text)
