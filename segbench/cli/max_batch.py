"""`segbench max-batch`: the largest batch that fits a budget, proven on both sides."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from segbench.cli.flags import flags
from segbench.cli.groups import (
    ConditionFlags,
    DataFlags,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    case_fields,
)
from segbench.cli.largest import Modes, described, modes_of, searched, searching_device
from segbench.cli.predicting import BudgetText, PredictionFlags, chosen_budget
from segbench.cli.session import Session
from segbench.present.largest import largest_table

Warmup = Annotated[
    int, Option("-w", "--warmup", help="Steps before each try is measured.", min=0, rich_help_panel="Conditions")
]


@flags(without=("data_root", "split"))
def max_batch(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    data: DataFlags,
    prediction: PredictionFlags,
    run: RunFlags,
    machines: MachineFlags,
    output: OutputFlags,
    budget: BudgetText = None,
    mode: Modes = "both",
    warmup: Warmup = 1,
) -> None:
    """The largest batch that fits, and the next one, which does not; both were tried.

    On CUDA the search starts at the prediction and tries every size in a fresh process under the budget. Without a GPU,
    or with --device none, both sides are replayed through a model of PyTorch's caching allocator. --dataset only sets
    the number of classes: random images cost the same.
    """
    session = Session(run, output, machines)
    models, where = network.models(), searching_device(conditions, "max-batch", session.seen)
    limit = chosen_budget(budget, where)
    fields = {**case_fields(where, network, conditions, size), **network.case_fields(data.dataset), "warmup": warmup}
    done = searched(session, "max_batch", models, fields, limit, prediction, modes_of(mode), size.own)
    session.finish(done, models, lambda entries, cards: [largest_table(entries, cards, described(limit))])
