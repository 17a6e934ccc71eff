"""`segbench fits`: what every network can do on a GPU, predicted."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from segbench.cards.catalogue import card_names
from segbench.cards.model import find_models
from segbench.cli.cases import default_classes
from segbench.cli.flags import flags
from segbench.cli.groups import OutputFlags, RunFlags
from segbench.cli.largest import described, searched
from segbench.cli.predicting import BudgetText, PredictionFlags, chosen_budget
from segbench.cli.session import Session
from segbench.devices.choice import Device
from segbench.present.largest import fits_table
from segbench.units import parse_size

_SomeModels = Annotated[
    list[str] | None, Option("-m", "--model", help="Networks, as elsewhere. \\[default: every model card]")
]


@flags(without=("nfe",))
def fits(
    prediction: PredictionFlags,
    run: RunFlags,
    output: OutputFlags,
    budget: BudgetText = None,
    model: _SomeModels = None,
    input: Annotated[str, Option("--input", help="Input size, width x height, as in 480x360.")] = "480x360",
    classes: Annotated[int | None, Option("--classes", help="Classes. \\[default: 11]", min=1)] = None,
    precision: Annotated[str, Option("--precision", help="fp32, bf16 or fp16 (autocast).")] = "fp32",
) -> None:
    """Every model card's largest batch at --input and largest input at batch 1 within a budget; nothing runs.

    All of them take some minutes; -m names some.
    """
    session = Session(run, output)
    models = find_models(model or card_names())
    limit = chosen_budget(budget, Device("none", "none"))
    width, height = parse_size(input)
    fields = {
        "device": "none",
        "width": width,
        "height": height,
        "classes": classes or default_classes(None),
        "precision": precision,
    }
    done = [
        item
        for task in ("max_batch", "max_input")
        for item in searched(session, task, models, fields, limit, prediction, ("train", "infer"))
    ]
    session.finish(done, models, lambda entries, _: [fits_table(entries, limit.name, described(limit))])
