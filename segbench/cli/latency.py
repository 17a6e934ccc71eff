"""`segbench latency`: inference time per image."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Option

from segbench.cards.model import Model
from segbench.cells.rounds import in_rounds
from segbench.cli.checkpoints import digest_of, trained_arguments, trained_networks
from segbench.cli.flags import flags
from segbench.cli.groups import (
    BatchFlags,
    CompilerFlags,
    ConditionFlags,
    DataFlags,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    TimingFlags,
    case_fields,
)
from segbench.cli.session import Session
from segbench.cli.timing import print_advice
from segbench.present.latency import latency_tables
from segbench.records.case import Case
from segbench.records.options import LatencyOptions

_Checkpoint = Annotated[
    list[Path] | None,
    Option(
        "--checkpoint",
        help="Trained weights, a run's folder or file for each network: the work of an input-adaptive network depends "
        "on them. \\[default: as drawn]",
    ),
]


@flags(without=("optimizer", "batch_size"))
def latency(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    compiler: CompilerFlags,
    batch: BatchFlags,
    data: DataFlags,
    timing: TimingFlags,
    run: RunFlags,
    machines: MachineFlags,
    output: OutputFlags,
    checkpoint: _Checkpoint = None,
) -> None:
    """Inference time per image, from pictures in the host's memory to label maps in the host's memory.

    The networks take turns in rounds of fresh processes until each median is known to the noise target.
    """
    session = Session(run, output, machines)
    models, where = network.models(), conditions.where("latency", seen=session.seen)
    case = partial(
        Case,
        "latency",
        infer_batch=batch.infer_batch,
        warmup=timing.warmup,
        options=LatencyOptions.parse(timing.rule().options()),
        **case_fields(where, network, conditions, size, compiler, data),
    )
    trained = trained_networks(models, data.dataset or "synthetic", data.data_root, checkpoint) if checkpoint else []
    weights = {item.model.name: item.checkpoint for item in trained}
    models = [item.model for item in trained] or models

    def cases(model: Model) -> list[Case]:
        sized = case(model=model.spec.text, **size.own(model))
        return [_filled(sized, weights[model.name])] if trained else [sized]

    cells = session.plan(models, cases)
    done = session.measure(cells, in_rounds(timing.rule()))
    print_advice(done)
    session.finish(done, models, latency_tables)


def _filled(case: Case, checkpoint: Path) -> Case:
    """The same network as it was trained."""
    assert case.options is not None
    options = case.options.changed(checkpoint=str(checkpoint), weights=digest_of(checkpoint))
    return replace(case, options=options).with_arguments(**trained_arguments(checkpoint, dict(case.arguments)))
