"""`segbench fits`: what every network costs, and what it can do on a GPU, predicted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from typer import Option

from segbench.cards.catalogue import card_names
from segbench.cards.model import Model, find_models
from segbench.cells.series import Done
from segbench.cli.cases import default_classes
from segbench.cli.flags import flags
from segbench.cli.groups import OutputFlags, RunFlags
from segbench.cli.largest import described, searched
from segbench.cli.predicting import BudgetText, PredictionFlags, chosen_budget
from segbench.cli.session import Session
from segbench.devices.choice import Device
from segbench.present.largest import fits_table
from segbench.records.case import Case
from segbench.records.options import ParamsOptions, PredictOptions
from segbench.units import parse_size

_SomeModels = Annotated[
    list[str] | None, Option("-m", "--model", help="Networks, as elsewhere. \\[default: every model card]")
]
_Batch = Annotated[int, Option("-b", "--batch-size", help="Images of the training step whose memory is shown.", min=1)]
_LargestInput = Annotated[
    bool, Option("--largest-input/--no-largest-input", help="Also search the largest input at batch 1.")
]


@flags(without=("nfe",))
def fits(
    prediction: PredictionFlags,
    run: RunFlags,
    output: OutputFlags,
    budget: BudgetText = None,
    model: _SomeModels = None,
    input: Annotated[str, Option("--input", help="Input size, width x height, as in 480x360.")] = "480x360",
    batch_size: _Batch = 8,
    classes: Annotated[int | None, Option("--classes", help="Classes. \\[default: 11]", min=1)] = None,
    precision: Annotated[str, Option("--precision", help="fp32, bf16 or fp16 (autocast).")] = "fp32",
    pad: Annotated[bool, Option("--pad", help="Pad images to the next size that a network takes.")] = False,
    largest_input: _LargestInput = True,
) -> None:
    """Every model card's parameters, multiply-adds, memory, largest batch at --input and largest input at batch 1.

    The last three within a budget. Nothing runs, so that multiply-adds which depend on data are not shown (`params`
    counts those). All networks take some minutes; -m names some.
    """
    session = Session(run, output)
    models = find_models(model or card_names())
    limit = chosen_budget(budget, Device("none", "none"))
    width, height = parse_size(input)
    fields = {
        "width": width,
        "height": height,
        "classes": classes or default_classes(None),
        "precision": precision,
        "pad": pad,
    }
    assumed = prediction.options(PredictOptions, (limit.name,))
    done = _costs(session, models, {**fields, "batch_size": batch_size}, assumed)
    for task in ("max_batch", "max_input") if largest_input else ("max_batch",):
        done += searched(session, task, models, {**fields, "device": "none"}, limit, prediction, ("train", "infer"))
    session.finish(done, models, lambda entries, _: [fits_table(entries, limit.name, described(limit))])


def _costs(session: Session, models: Sequence[Model], fields: dict[str, Any], options: PredictOptions) -> list[Done]:
    """Parameters and multiply-adds, and the memory of a training step and of an inference."""
    counted = partial(Case, "params", device="cpu", options=ParamsOptions(crosscheck=False, execute=False))
    predicted = partial(Case, "predict", device="none", options=options)
    fields_of_params = {name: fields[name] for name in ("width", "height", "classes", "pad")}

    def cases(model: Model) -> list[Case]:
        text = model.spec.text
        return [counted(model=text, **fields_of_params), predicted(model=text, **fields)]

    return session.measure(session.plan(models, cases))
