"""`segbench max-input`: the largest input that fits a budget, proven on both sides."""

from __future__ import annotations

from segbench.cli.flags import flags
from segbench.cli.groups import (
    BatchFlags,
    ConditionFlags,
    DataFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    case_fields,
)
from segbench.cli.largest import Modes, described, modes_of, searched, searching_device
from segbench.cli.max_batch import Warmup
from segbench.cli.predicting import BudgetText, PredictionFlags, chosen_budget
from segbench.cli.session import Session
from segbench.present.largest import largest_table


@flags(without=("data_root", "split", "infer_batch"))
def max_input(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    batch: BatchFlags,
    data: DataFlags,
    prediction: PredictionFlags,
    run: RunFlags,
    output: OutputFlags,
    budget: BudgetText = None,
    mode: Modes = "both",
    warmup: Warmup = 1,
) -> None:
    """The largest input that fits, and the next one, which does not; both were tried. One image, unless -b says more.

    --input gives the aspect; heights grow by 8 pixels. Networks that normalise a map pooled to a single pixel cannot
    train on one image; use -b 2 for them.
    """
    session = Session(run, output)
    models, where = network.models(), searching_device(conditions, "max-input")
    limit = chosen_budget(budget, where)
    own = {"warmup": warmup, "batch_size": batch.batch_size or 1}
    fields = {**case_fields(where, network, conditions, size), **network.case_fields(data.dataset), **own}
    done = searched(session, "max_input", models, fields, limit, prediction, modes_of(mode), size.own)
    session.finish(done, models, lambda entries, cards: [largest_table(entries, cards, described(limit))])
