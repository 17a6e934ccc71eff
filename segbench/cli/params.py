"""`segbench params`: parameters and operations."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from typer import Option

from segbench.cli.flags import flags
from segbench.cli.groups import (
    ConditionFlags,
    DataFlags,
    Fields,
    NetworkFlags,
    OutputFlags,
    RunFlags,
    SizeFlags,
    case_fields,
)
from segbench.cli.session import Session
from segbench.devices.choice import Device
from segbench.errors import DataError
from segbench.present.params import params_tables
from segbench.records.case import Case
from segbench.records.options import ParamsOptions

_Depth = Annotated[int, Option("--modules", help="Also a table of modules, so many levels deep.", min=0)]
_Crosscheck = Annotated[
    bool, Option("--crosscheck/--no-crosscheck", help="Let fvcore count too, which runs the network on the CPU.")
]
_UNCHANGED_BY = ("device", "precision", "optimizer", "channels_last", "tf32", "cudnn_benchmark")


@flags(without=_UNCHANGED_BY)
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

    --dataset sets the number of classes. Images are read for networks whose cost depends on them; without a data set on
    this machine they are drawn street scenes.
    """
    session = Session(run, output)
    fields = case_fields(Device("cpu", ""), network, conditions, size) | network.case_fields(data.dataset)
    fields |= _images(data)
    case = partial(Case, "params", options=ParamsOptions(crosscheck=crosscheck), **fields)
    session.answer(
        network.models(),
        lambda model: [case(model=model.spec.text, **size.own(model))],
        lambda entries, cards: params_tables(entries, cards, modules),
    )


def _images(data: DataFlags) -> Fields:
    """Of the data set, which is not asked for: most networks need its classes only."""
    try:
        return data.case_fields()
    except DataError:
        if data.data_root is not None:
            raise
        return {}
