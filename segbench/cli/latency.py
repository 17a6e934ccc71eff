"""`segbench latency`: inference time per image."""

from __future__ import annotations

from dataclasses import replace

from segbench.cards.catalogue import find_models
from segbench.cells.rounds import in_rounds
from segbench.cells.series import plan
from segbench.cli import options, timing
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.session import Output, finish, measure
from segbench.devices.choice import choose_device
from segbench.present.export import Exports
from segbench.present.latency import latency_sheets
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size


def latency(
    model: options.Models,
    device: options.DeviceName = "auto",
    input: options.InputSize = "480x360",
    infer_batch: options.InferBatch = 1,
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
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
    """Inference time per image, from pictures in the host's memory to label maps in the host's memory.

    The networks take turns in rounds of fresh processes until each median is known to the noise target.
    """
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    rule = timing.stop_rule(noise, rounds, min_runs, max_runs, max_seconds)
    models = find_models(model)
    where = choose_device(device, "latency")
    width, height = parse_size(input)
    case = Case(
        task="latency",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        width=width,
        height=height,
        infer_batch=infer_batch,
        modes=("infer",),
        classes=classes or default_classes(dataset),
        precision=precision,
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
    ).with_options(**rule.options())
    cells = plan(
        models, lambda network: [replace(case, model=network.spec)], where.title, package_version("torch") or ""
    )
    done = measure(cells, ledger, timeout, reuse=reuse, together=True, arrange=in_rounds(rule, "latency_s"))
    timing.print_advice(done, "latency_s")
    cards = {item.name: item.card for item in models}
    finish(done, latency_sheets([item.entry for item in done], cards), cards, output)
