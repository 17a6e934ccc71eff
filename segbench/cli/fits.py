"""`segbench fits`: what every network can do on a GPU, predicted."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from segbench.cards.catalogue import card_names
from segbench.cli import options
from segbench.cli.largest import SearchRequest, described, understood
from segbench.cli.predicting import Assumed, BudgetText, ContextText, CublasText, Workspaces
from segbench.cli.session import Output, finish
from segbench.present.export import Exports
from segbench.present.largest import fits_sheet
from segbench.records.ledger import DEFAULT_LEDGER

SomeModels = Annotated[
    list[str] | None, typer.Option("-m", "--model", help="Networks, as elsewhere. \\[default: every card]")
]


def fits(
    budget: BudgetText = None,
    model: SomeModels = None,
    input: options.InputSize = "480x360",
    classes: options.Classes = None,
    precision: options.Precision = "fp32",
    context: ContextText = "500MiB",
    workspaces: Workspaces = "none",
    cublas: CublasText = None,
    timeout: options.Timeout = 600.0,
    ledger: options.LedgerFolder = DEFAULT_LEDGER,
    reuse: options.Reuse = False,
    format: options.Format = "table",
    export_csv: options.ExportCsv = None,
    export_json: options.ExportJson = None,
    export_markdown: options.ExportMarkdown = None,
    fail_if: options.FailIf = None,
) -> None:
    """Every card's largest batch at --input and largest input at batch 1 within a budget; predicted, nothing runs.

    All cards take some ten minutes of one core; -m names some.
    """
    request = SearchRequest(
        task="max_batch",
        models=model or card_names(),
        budget=budget,
        device="none",
        mode="both",
        input=input,
        classes=classes,
        dataset=None,
        arguments=None,
        assumed=Assumed(context, workspaces, cublas),
        fields={"precision": precision},
    )
    output = Output(format, Exports(export_csv, export_json, export_markdown), tuple(fail_if or ()))
    batches, inputs = understood(request), understood(replace(request, task="max_input"))
    done = [*batches.answers(ledger, timeout, reuse), *inputs.answers(ledger, timeout, reuse)]
    cards = {item.name: item.card for item in batches.models}
    finish(
        done, [fits_sheet([item.entry for item in done], batches.budget.name, described(batches.budget))], cards, output
    )
