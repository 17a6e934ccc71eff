"""`segbench latency`: inference time per image."""

from __future__ import annotations

from functools import partial

from segbench.cells.rounds import in_rounds
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
        options=timing.options(),
        **case_fields(where, network, conditions, size, compiler, data),
    )
    cells = session.plan(models, lambda model: [case(model=model.spec.text, **size.own(model))])
    done = session.measure(cells, in_rounds(timing.rule()))
    print_advice(done)
    session.finish(done, models, latency_tables)
