"""`segbench params`: parameters and operations."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from typer import Option

from segbench.cli.flags import flags
from segbench.cli.groups import ConditionFlags, DataFlags, NetworkFlags, OutputFlags, RunFlags, SizeFlags, case_fields
from segbench.cli.session import Session
from segbench.devices.choice import Device
from segbench.present.params import params_tables
from segbench.records.case import Case
from segbench.records.options import ParamsOptions

_Depth = Annotated[int, Option("--modules", help="Also a table of modules, so many levels deep.", min=0)]
_Crosscheck = Annotated[
    bool, Option("--crosscheck/--no-crosscheck", help="Let fvcore count too, which runs the network on the CPU.")
]
_UNCHANGED_BY = ("device", "precision", "optimizer", "channels_last", "tf32", "cudnn_benchmark")


@flags(without=(*_UNCHANGED_BY, "data_root", "split"))
def params(
    network: NetworkFlags,
    conditions: ConditionFlags,
    size: SizeFlags,
    data: DataFlags,
    run: RunFlags,
    output: OutputFlags,
    modules: _Depth = 0,
    crosscheck: _Crosscheck = True,
) -> None:
    """Parameters, MACs and FLOPs of one image, counted by execution and by two other programs.

    --dataset only sets the number of classes; nothing is read.
    """
    session = Session(run, output)
    fields = case_fields(Device("cpu", ""), network, conditions, size) | network.case_fields(data.dataset)
    case = partial(Case, "params", options=ParamsOptions(crosscheck=crosscheck), **fields)
    session.answer(
        network.models(),
        lambda model: [case(model=model.spec.text, **size.own(model))],
        lambda entries, cards: params_tables(entries, cards, modules),
    )
