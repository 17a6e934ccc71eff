"""`segbench epoch`: training time per step and per epoch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from typer import Option

from segbench.cards.model import Model
from segbench.cells.rounds import in_rounds
from segbench.cli.cases import images_of_epoch
from segbench.cli.flags import flags
from segbench.cli.groups import (
    MOST_WORKERS,
    CompilerFlags,
    ConditionFlags,
    DataFlags,
    Fields,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    OwnFields,
    RunFlags,
    SizeFlags,
    TimingFlags,
    case_fields,
)
from segbench.cli.largest import searched
from segbench.cli.predicting import BudgetText, PredictionFlags, chosen_budget
from segbench.cli.session import Session
from segbench.cli.timing import print_advice
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.present.epoch import epoch_tables
from segbench.records.case import Case
from segbench.records.ledger import Entry
from segbench.records.options import EpochOptions

_Batch = Annotated[
    str,
    Option(
        "-b",
        "--batch-size",
        help="Images per step, or max: the largest that fits the budget.",
        rich_help_panel="Conditions",
    ),
]
_Images = Annotated[
    int | None, Option("--images", help="Images of an epoch. \\[default: the split's; 367, CamVid's]", min=1)
]
_Workers = Annotated[int, Option("--workers", help="Processes that load images.", min=0, max=MOST_WORKERS)]


@flags(without=("cuda_graph",))
def epoch(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    compiler: CompilerFlags,
    data: DataFlags,
    timing: TimingFlags,
    run: RunFlags,
    machines: MachineFlags,
    output: OutputFlags,
    batch_size: _Batch = "1",
    budget: BudgetText = None,
    images: _Images = None,
    workers: _Workers = 0,
) -> None:
    """Training time of a step and of an epoch: loading, forward, backward, optimizer.

    The networks take turns in rounds of fresh processes until each median is known to the noise target. The paper
    trains each network at the largest batch that fits its GPU: -b max --budget 32GB.
    """
    session = Session(run, output, machines)
    models, where = network.models(), conditions.where("epoch", seen=session.seen)
    fields = case_fields(where, network, conditions, size, compiler, data)
    if budget is not None and batch_size != "max":
        raise UserError(f"--budget {budget} says how large a batch may become; give it with -b max")
    if workers and data.dataset is None:
        raise UserError("--workers load real images; give -d, as in -d camvid, or leave them out")
    count = images or images_of_epoch(data.dataset, data.split)
    options = EpochOptions.parse({**timing.rule().options(), "images": count, "workers": workers})
    case = partial(Case, "epoch", warmup=timing.warmup, options=options, **fields)
    if batch_size == "max":
        sizes = _largest_batches(session, models, fields, where, budget, size.own)
    else:
        sizes = dict.fromkeys((model.name for model in models), _number(batch_size))
    cells = session.plan(
        models, lambda model: [case(model=model.spec.text, batch_size=sizes[model.name], **size.own(model))]
    )
    done = session.measure(cells, in_rounds(timing.rule()))
    print_advice(done)
    session.finish(done, models, epoch_tables)


_SEARCHED = ("arguments", "classes", "width", "height", "precision", "optimizer", "seed", "threads", "channels_last",
             "tf32", "cudnn_benchmark", "output", "aux_weight")  # fmt: skip
"""Fields of an epoch's case that decide its largest batch."""


def _largest_batches(
    session: Session, models: Sequence[Model], fields: Fields, where: Device, budget: str | None, own: OwnFields
) -> dict[str, int]:
    """The largest training batch of each network: tried on the GPU, or predicted for a budget where there is none.

    Raises:
        UserError: no GPU and no budget, or a network that does not fit at all.
    """
    if where.name == "cpu" and budget is None:
        raise UserError("-b max needs a budget where there is no GPU: give --budget, as in --budget 32GB")
    place = Device("none", "none") if where.name == "cpu" else where
    asked = {name: fields[name] for name in _SEARCHED} | {"device": place.name}
    limit = chosen_budget(budget, place)
    done = searched(session, "max_batch", models, asked, limit, PredictionFlags(), ("train",), own, reuse=True)
    return {item.entry.model: _batch_of(item.entry) for item in done}


def _batch_of(entry: Entry) -> int:
    for item in entry.measurements:
        if item.quantity == "max_batch" and item.value:
            return int(item.value)
    why = entry.cause or next((item.cause for item in entry.measurements if item.cause), "")
    raise UserError(f"no batch of {entry.model} fits the budget ({why}); give a larger --budget, or -b 1")


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise UserError(f"--batch-size {text!r} is neither a number of images nor max")
    return int(text)
