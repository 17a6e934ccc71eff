"""What a study is made of: steps that ask, columns that compare, and the networks they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from segbench.records.case import Json
from segbench.statistics.verdicts import ToleranceRule

Kind = Literal["none", "cpu", "cuda"]
"""Of a device: nothing runs, the processor, a CUDA GPU."""


@dataclass(frozen=True)
class Step:
    """One task, asked of every network of a study.

    Attributes:
        title: for the plan.
        task: a module of `segbench.tasks`.
        how: `alone`, a process a cell; `rounds`, interleaved processes until the headline is known; `search`, a
            process for every size tried.
        device: where it runs: `same` as the study, or `none` and `cpu` for what needs no GPU.
        fields: of the case, instead of its defaults.
        options: the task's own parameters.
        modes: one cell each.
        largest_batch: the batch is the largest that an earlier step of the study found, under these conditions; None
            for a step with a batch of its own.
    """

    title: str
    task: str
    how: Literal["alone", "rounds", "search"] = "alone"
    device: Literal["same", "none", "cpu"] = "same"
    fields: Mapping[str, Json] = field(default_factory=dict)
    options: Mapping[str, Json] = field(default_factory=dict)
    modes: tuple[tuple[str, ...], ...] = (("train", "infer"),)
    largest_batch: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class PaperColumn:
    """A published quantity and how ours is read.

    Attributes:
        name: short, for files and cells.
        title: as a heading.
        quantity: ours.
        rule: the tolerance it is judged by.
        conditions: fields the case must have had, as published, and options that it may not have had otherwise.
        timed: it is a time, on which a verdict is given only where a CUDA GPU was timed.
    """

    name: str
    title: str
    quantity: str
    rule: ToleranceRule = "ratio"
    conditions: Mapping[str, Json] = field(default_factory=dict)
    timed: bool = False


@dataclass(frozen=True)
class Study:
    """One command's worth of the paper.

    Attributes:
        name: as in `segbench reproduce NAME`.
        title: one line.
        models: specs of the networks asked.
        steps: what is asked on a kind of device.
    """

    name: str
    title: str
    models: tuple[str, ...]
    steps: Callable[[Kind], Sequence[Step]]
