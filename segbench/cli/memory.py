"""`segbench memory`: peak memory of a training step and of an inference."""

from __future__ import annotations

from dataclasses import replace

from segbench.cards.catalogue import Model, find_models
from segbench.cells.series import plan
from segbench.cli import options
from segbench.cli.cases import default_classes, found_root, parse_arguments
from segbench.cli.explaining import Explain, Explanation, Plot, Snapshot
from segbench.cli.predicting import Assumed, ContextText, CublasText, Nfe, Workspaces
from segbench.cli.session import Output, finish, measure
from segbench.devices.choice import Device, choose_device
from segbench.present.export import Exports
from segbench.present.memory import memory_sheet
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.records.ledger import DEFAULT_LEDGER
from segbench.units import parse_size

PAPER_BATCH = 24
"""The batch of the paper's Table 2, third column."""


def memory(
    model: options.Models,
    device: options.DeviceName = "auto",
    input: options.InputSize = "480x360",
    batch_size: options.BatchSize = None,
    infer_batch: options.InferBatch = 1,
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    optimizer: options.Optimizer = None,
    dataset: options.Dataset = None,
    data_root: options.DataRoot = None,
    split: options.Split = None,
    argument: options.Arguments = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    warmup: options.Warmup = None,
    channels_last: options.ChannelsLast = False,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
    explain: Explain = False,
    plot: Plot = None,
    export_snapshot: Snapshot = None,
    context: ContextText = "500MiB",
    workspaces: Workspaces = "none",
    cublas: CublasText = None,
    nfe: Nfe = None,
    timeout: options.Timeout = 600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Peak memory of a training step and of an inference, beside HRNetV2 and the paper.

    Every network and mode is measured in a fresh process. Without a GPU, or with --device none, nothing runs and the
    memory CUDA would need is predicted.
    """
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    explanation = Explanation(explain, plot, export_snapshot, Assumed(context, workspaces, cublas, nfe))
    models = find_models(model)
    where = choose_device(device, "memory")
    width, height = parse_size(input)
    case = Case(
        task="predict" if where.name == "none" else "memory",
        model="",
        arguments=parse_arguments(argument),
        device=where.name,
        width=width,
        height=height,
        batch_size=batch_size or _default_batch(where),
        infer_batch=infer_batch,
        classes=classes or default_classes(dataset),
        precision=precision,
        optimizer=optimizer,
        dataset=dataset,
        data_root=found_root(dataset, data_root),
        split=split,
        seed=seed,
        threads=threads,
        warmup=(3 if where.is_cuda else 1) if warmup is None else warmup,
        channels_last=channels_last,
        tf32=tf32,
        cudnn_benchmark=cudnn_benchmark,
    )
    case = explanation.prepare(case)

    def one_mode_a_process(network: Model) -> list[Case]:
        return [replace(case, model=network.spec, modes=(mode,)) for mode in ("train", "infer")]

    cells = plan(models, one_mode_a_process, where.title, package_version("torch") or "")
    done = measure(cells, ledger, timeout, reuse=reuse, together=where.name == "none")
    cards = {item.name: item.card for item in models}
    sheet = memory_sheet([item.entry for item in done], cards)
    chosen = f"-b {case.batch_size}" + ("" if batch_size else ", by default (24 on CUDA or predicted, 1 on the CPU)")
    why = f"; --device {device}: {where.why}" if where.why else ""
    why += f"; {explanation.cost(done)}" if where.name == "none" else ""
    try:
        finish(done, [replace(sheet, notes=[*sheet.notes, chosen + why]), *explanation.sheets(done)], cards, output)
    finally:  # a gate ends the command
        explanation.write(done, timeout)


def _default_batch(device: Device) -> int:
    return 1 if device.name == "cpu" else PAPER_BATCH
