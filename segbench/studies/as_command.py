"""A step of a study as the command line that asks the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from segbench.devices.budgets import PAPER_GPU
from segbench.devices.choice import Device
from segbench.records.case import Json
from segbench.records.tasks import TASKS
from segbench.statistics.stopping import StopRule
from segbench.studies.study import Step

_FLAGS = {
    "batch_size": "-b",
    "warmup": "-w",
    "dataset": "-d",
    "budget_bytes": "--budget",
    "cublas_bytes": "--cublas",
    "capability": "--gpu",
    "folder": "-o",
    "solvers": "--solver",
    "gradients": "--gradient",
    "target": "--noise",
    "min_rounds": "--rounds",
}
"""Field of a case or option of a task -> flag, where they are called differently."""
_BYTES = ("budget_bytes", "cublas_bytes")


def command_of(step: Step, models: Sequence[str], where: Device, rule: StopRule) -> str:
    """Of every network together.

    Args:
        where: the study's device.
        rule: of the rounds, where the step has some.
    """
    words = ["segbench", TASKS[step.task].command or step.task, *chain(*(("-m", model) for model in models))]
    if step.device != "cpu":
        words += ["--device", where.name if step.device == "same" else step.device]
    if step.task == "max_batch":
        words += ["--mode", *step.modes[0]]
    if step.largest_batch is not None:
        words += ["-b", "max", "--budget", PAPER_GPU]
    usual = StopRule().options()
    rounds = {name: value for name, value in rule.options().items() if step.how == "rounds" and value != usual[name]}
    return shlex.join([*words, *_flags({**step.fields, **step.options, **rounds})])


def _flags(values: Mapping[str, Json]) -> Iterator[str]:
    sized = "width" in values
    if sized:
        yield from ("--input", f"{values['width']}x{values['height']}")
    for name, value in values.items():
        if name not in ("width", "height"):
            yield from _flag(name, value)


def _flag(name: str, value: Json) -> Iterator[str]:
    flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
    if isinstance(value, bool):
        yield flag if value else flag.replace("--", "--no-", 1)
    elif name == "capability":
        yield from (flag, ".".join(map(str, value)))
    elif isinstance(value, tuple):
        yield from chain(*((flag, str(item)) for item in value))
    else:
        yield from (flag, f"{value}B" if name in _BYTES else str(value))
