"""`segbench max-batch`: the largest batch that fits a budget, proven on both sides."""

from __future__ import annotations

from segbench.cli import options
from segbench.cli.largest import Modes, SearchRequest, largest_command
from segbench.cli.predicting import Assumed, BudgetText, ContextText, CublasText, Nfe, Workspaces
from segbench.cli.session import Output
from segbench.present.export import Exports
from segbench.records.ledger import DEFAULT_LEDGER


def max_batch(
    model: options.Models,
    budget: BudgetText = None,
    device: options.DeviceName = "auto",
    mode: Modes = "both",
    input: options.InputSize = "480x360",
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    optimizer: options.Optimizer = None,
    dataset: options.Dataset = None,
    argument: options.Arguments = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    warmup: options.Warmup = None,
    channels_last: options.ChannelsLast = False,
    tf32: options.Tf32 = False,
    cudnn_benchmark: options.CudnnBenchmark = False,
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
    """The largest batch that fits, and the next one, which does not; both were tried.

    On CUDA the search starts at the prediction and tries every size in a fresh process under the budget. Without a GPU,
    or with --device none, both sides are replayed through a model of PyTorch's caching allocator. --dataset only sets
    the number of classes: random images cost the same.
    """
    request = SearchRequest(
        task="max_batch",
        models=model,
        budget=budget,
        device=device,
        mode=mode,
        input=input,
        classes=classes,
        dataset=dataset,
        arguments=argument,
        assumed=Assumed(context, workspaces, cublas, nfe),
        fields={
            "precision": precision,
            "optimizer": optimizer,
            "seed": seed,
            "threads": threads,
            "warmup": 1 if warmup is None else warmup,
            "channels_last": channels_last,
            "tf32": tf32,
            "cudnn_benchmark": cudnn_benchmark,
        },
    )
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    largest_command(request, output, ledger, timeout, reuse)
