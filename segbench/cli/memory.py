"""`segbench memory`: peak memory of a training step and of an inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated

from typer import Option

from segbench.cards.model import Model
from segbench.cli.explaining import ExplainFlags, assumed
from segbench.cli.flags import flags
from segbench.cli.groups import (
    BatchFlags,
    ConditionFlags,
    DataFlags,
    Fields,
    MachineFlags,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    case_fields,
)
from segbench.cli.predicting import PredictionFlags
from segbench.cli.session import Session
from segbench.devices.choice import Device
from segbench.present.memory import memory_table
from segbench.present.table import Table
from segbench.records.case import Case
from segbench.records.options import MemoryOptions, PredictOptions

PAPER_BATCH = 24
"""The batch of the paper's Table 2, third column."""

_Warmup = Annotated[
    int | None,
    Option(
        "-w",
        "--warmup",
        help="Steps before measuring. \\[default: 3; 0 on the CPU, whose bytes are exact at once]",
        min=0,
        rich_help_panel="Conditions",
    ),
]


@flags()
def memory(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    batch: BatchFlags,
    data: DataFlags,
    prediction: PredictionFlags,
    explain: ExplainFlags,
    run: RunFlags,
    machines: MachineFlags,
    output: OutputFlags,
    warmup: _Warmup = None,
) -> None:
    """Peak memory of a training step and of an inference, beside HRNetV2 and the paper.

    Every network and mode is measured in a fresh process. Without a GPU, or with --device none, nothing runs and the
    memory CUDA would need is predicted.
    """
    session = Session(run, output, machines)
    models, where = network.models(), conditions.where("memory", predicts=True, seen=session.seen)
    predicted = where.name == "none"
    explain.check(predicted)
    usual = {
        "batch_size": batch.batch_size or _default_batch(where),
        "infer_batch": batch.infer_batch,
        "warmup": (3 if where.is_cuda else 1 if predicted else 0) if warmup is None else warmup,
    }
    fields = {**case_fields(where, network, conditions, size, data), **usual}
    options = prediction.options(PredictOptions) if predicted else PredictOptions()
    if predicted:
        options = options.changed(timeline=explain.plot is not None)
        case = partial(Case, "predict", options=options, **fields)
    else:
        case = partial(Case, "memory", options=prediction.shared(MemoryOptions), **fields)

    def own(model: Model) -> Fields:
        return {**size.own(model), **batch.own(model)}

    def one_mode_a_process(model: Model) -> list[Case]:
        return [case(model=model.spec.text, modes=(mode,), **own(model)) for mode in ("train", "infer")]

    done = session.measure(session.plan(models, one_mode_a_process))
    chosen = f"-b {usual['batch_size']}"
    chosen += "" if batch.batch_size else ", by default (24 on CUDA or predicted, 1 on the CPU)"
    chosen += _own_conditions({model.name: own(model) for model in models})
    chosen += f"; --device {conditions.device}: {where.why}" if where.why else ""
    told = explain.cost(done, options.context_bytes) if predicted else ", ".join(assumed(done))
    chosen += f"; {told}" if told else ""
    try:
        session.finish(
            done,
            models,
            lambda entries, cards: [
                _with_note(memory_table(entries, cards), chosen),
                *explain.tables(entries),
            ],
        )
    finally:  # a gate ends the command
        explain.write(done, session, run.timeout)


def _own_conditions(fields: Mapping[str, Fields]) -> str:
    """`; fcn: 1024x512, -b 2`, of networks whose cards have conditions of their own."""
    shown = {"width": "{width}x{height}", "batch_size": "-b {batch_size}"}
    said = {name: [text.format(**own) for key, text in shown.items() if key in own] for name, own in fields.items()}
    return "".join(f"; {name}: {', '.join(words)}" for name, words in said.items() if words)


def _with_note(table: Table, note: str) -> Table:
    return replace(table, notes=[*table.notes, note])


def _default_batch(device: Device) -> int:
    return 1 if device.name == "cpu" else PAPER_BATCH
