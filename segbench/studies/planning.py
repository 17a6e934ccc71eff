"""Turns a study's steps into cells on a device, with what each needs to be run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from segbench.cards.catalogue import Model
from segbench.cells.cell import Runner
from segbench.cells.rounds import in_rounds
from segbench.cells.series import Planned, plan
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.host import cpu_name, package_version
from segbench.records.ledger import Entry
from segbench.search.runner import search_in_children
from segbench.statistics.stopping import StopRule
from segbench.studies.readings import reading
from segbench.studies.study import Kind, Step

NOTHING_RUNS = Device("none", "none")


@dataclass(frozen=True)
class StudyStage:
    """One step, ready to be run.

    Attributes:
        cells: in the order of the networks.
        together: they share a process, or go to `arrange` all at once.
        arrange: how they are run otherwise than one process a cell.
        waiting: networks that the step cannot ask yet, because an earlier step has not found their batch.
    """

    step: Step
    cells: list[Planned]
    together: bool
    arrange: Callable[[Runner], Runner]
    waiting: tuple[str, ...] = ()


def kind_of(where: Device) -> Kind:
    return "none" if where.name == "none" else "cpu" if where.name == "cpu" else "cuda"


def stage_of(
    step: Step, models: Sequence[Model], where: Device, entries: Sequence[Entry], rule: StopRule | None = None
) -> StudyStage:
    """The cells of a step.

    Args:
        where: the study's device.
        entries: of the ledger, where earlier steps left the largest batches.
        rule: how long rounds go on.
    """
    rule = rule or StopRule()
    device = _device(step, where)
    batches = {model.name: _batch(step, model, entries) for model in models}
    ready = [model for model in models if batches[model.name] is not None]

    def cases(model: Model) -> list[Case]:
        fields = {**step.fields, **({"batch_size": batches[model.name]} if step.largest_batch is not None else {})}
        options = {**step.options, **(rule.options() if step.how == "rounds" else {})}
        case = Case(step.task, model.spec, device=device.name, **fields).with_options(**options)
        return [replace(case, modes=modes) for modes in step.modes]

    return StudyStage(
        step,
        plan(ready, cases, device.title, package_version("torch") or ""),
        together=step.how in ("together", "rounds"),
        arrange=_arrangement(step, rule),
        waiting=tuple(model.name for model in models if model not in ready),
    )


def _device(step: Step, where: Device) -> Device:
    if step.device == "none":
        return NOTHING_RUNS
    return Device("cpu", cpu_name()) if step.device == "cpu" else where


def _batch(step: Step, model: Model, entries: Sequence[Entry]) -> int | None:
    """The largest batch that an earlier step found; anything for a step that does not ask for it."""
    if step.largest_batch is None:
        return 1
    found = reading(entries, model.name, "max_batch", step.largest_batch)
    return int(found.value) if found else None


def _arrangement(step: Step, rule: StopRule) -> Callable[[Runner], Runner]:
    if step.how == "rounds":
        return in_rounds(rule, step.headline)
    if step.how == "search":
        return lambda run: partial(search_in_children, run=run)
    return lambda run: run
