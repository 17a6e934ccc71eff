"""`segbench savings`: every way to save memory in training, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from typer import Option

from segbench.cards.model import Model, find_model
from segbench.cli.flags import flags
from segbench.cli.groups import (
    ConditionFlags,
    DataFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    case_fields,
    texts,
)
from segbench.cli.memory import PAPER_BATCH
from segbench.cli.predicting import PredictionFlags
from segbench.cli.session import Session
from segbench.present.savings import savings_tables
from segbench.records.case import Case
from segbench.records.options import SavingsOptions

USUAL = (
    "recompute",
    "checkpoint",
    "checkpoint:sqrt",
    "checkpoint:budget=70%",
    "bf16",
    "fp16",
    "save-on-cpu",
    "compress:8bit",
    "inplace-abn",
    "reversible",
)
"""What is set side by side if nothing is named."""

_Switches = Annotated[
    list[str] | None,
    Option(
        "--switch",
        help=f"Only these, as behind a network's plus (checkpoint:stem,head, recompute+compress); repeatable. "
        f"\\[default: {', '.join(USUAL)}]",
    ),
]
_BatchSize = Annotated[
    int | None,
    Option(
        "-b",
        "--batch-size",
        help="Images per step. \\[default: 24; 1 on the CPU]",
        min=1,
        rich_help_panel="Conditions",
    ),
]
_Rounds = Annotated[int, Option("--rounds", help="Timed steps of each way, on a device.", min=1)]


@flags(timeout=3600.0)
def savings(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    data: DataFlags,
    prediction: PredictionFlags,
    run: RunFlags,
    output: OutputFlags,
    batch_size: _BatchSize = None,
    switch: _Switches = None,
    rounds: _Rounds = 3,
) -> None:
    """Every way to save training memory: how much, for how many operations, how exact.

    One table a network; the other networks named stand in it as further ways. Memory is predicted, gradients are
    compared on small images on the CPU; on a device memory and time of a step are measured too.
    """
    session = Session(run, output)
    where = conditions.where("savings", predicts=True)
    fields = case_fields(where, network, conditions, size, data)
    fields["batch_size"] = batch_size or (1 if where.name == "cpu" else PAPER_BATCH)
    case, options = partial(Case, "savings", **fields), prediction.options(SavingsOptions).changed(rounds=rounds)
    tables = {model.name: with_switches(model, texts(switch) or USUAL) for model in network.models()}
    of = {model.name: name for name, models in tables.items() for model in models}
    models = [model for group in tables.values() for model in group]

    def one_way(model: Model) -> list[Case]:
        return [case(model=model.spec.text, options=options.changed(of=of[model.name]))]

    session.answer(models, one_way, savings_tables)


def with_switches(model: Model, switches: Sequence[str]) -> list[Model]:
    """The network as it is, and with each of the switches it does not have already.

    Raises:
        UnknownName: no such switch.
    """
    own = {text.partition(":")[0] for text in model.optimisations}
    more = [text for text in switches if not own & {part.partition(":")[0] for part in text.split("+")}]
    return [model, *(find_model(f"{model.spec.text}+{text}") for text in more)]
