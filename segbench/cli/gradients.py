"""`segbench gradients`: what every way to differentiate an ODE network costs, and how right it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Option

from segbench.cards.model import Model
from segbench.cli.checkpoints import digest_of, trained_arguments
from segbench.cli.flags import flags
from segbench.cli.groups import (
    ConditionFlags,
    DataFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    case_fields,
    texts,
)
from segbench.cli.session import Session
from segbench.errors import CheckpointError
from segbench.present.gradients import gradients_tables
from segbench.records.case import Case
from segbench.records.options import GradientsOptions
from segbench.units import parse_size

_Solvers = Annotated[
    list[str] | None,
    Option("--solver", help="Only these solvers; repeatable. \\[default: all fixed grids, dopri5]"),
]
_Gradients = Annotated[
    list[str] | None,
    Option("--gradient", help="Only these gradient methods; repeatable. \\[default: all that fit]"),
]
_Checkpoint = Annotated[
    Path | None, Option("--checkpoint", help="Trained weights; the errors depend on them. \\[default: as drawn]")
]
_InputSize = Annotated[
    str | None,
    Option("--input", help="Input size, as in 240x180. \\[default: the model card's]", rich_help_panel="Conditions"),
]
_BatchSize = Annotated[int, Option("-b", "--batch-size", help="Images per step.", min=1, rich_help_panel="Conditions")]
_Rounds = Annotated[int, Option("--rounds", help="Timed steps of each method, in turns.", min=1)]


@flags(without=("optimizer",), timeout=3600.0)
def gradients(
    network: NetworkFlags,
    conditions: ConditionFlags,
    data: DataFlags,
    run: RunFlags,
    output: OutputFlags,
    input: _InputSize = None,
    batch_size: _BatchSize = 2,
    solver: _Solvers = None,
    gradient: _Gradients = None,
    checkpoint: _Checkpoint = None,
    rounds: _Rounds = 3,
) -> None:
    """Every pair of solver and gradient method: peak memory, time, evaluations of f, and the gradient's error.

    The error is against plain back-propagation through the same solver, on one batch.
    """
    session = Session(run, output)
    models = network.models()
    if checkpoint is not None and not checkpoint.is_file():
        raise CheckpointError(f"there is no checkpoint {checkpoint}; leave --checkpoint out for weights as drawn")
    options = GradientsOptions(
        solvers=texts(solver),
        gradients=texts(gradient),
        rounds=rounds,
        checkpoint=str(checkpoint) if checkpoint else None,
        weights=digest_of(checkpoint) if checkpoint else None,
    )
    fields = case_fields(conditions.where("gradients"), network, conditions, data)
    case = partial(Case, "gradients", **{**fields, "batch_size": batch_size, "options": options})

    def one_network(model: Model) -> list[Case]:
        size = model.card.input
        width, height = parse_size(input) if input else (size.width, size.height)
        sized = case(model=model.spec.text, width=width, height=height)
        return [sized.with_arguments(**trained_arguments(checkpoint, dict(sized.arguments))) if checkpoint else sized]

    session.answer(models, one_network, gradients_tables)
