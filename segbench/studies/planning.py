"""Turns a study's steps into cells on a device, with what each needs to be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segbench.cards.model import Model
from segbench.cells.executor import Executor
from segbench.cells.jobs import JobsOf, single_jobs
from segbench.cells.rounds import in_rounds
from segbench.cells.series import Planned, plan
from segbench.devices.choice import Device
from segbench.records.case import Case
from segbench.records.host import cpu_name
from segbench.records.ledger import Entry
from segbench.records.tasks import TASKS
from segbench.search.runner import search_jobs
from segbench.statistics.stopping import StopRule
from segbench.studies.readings import Readings
from segbench.studies.study import Kind, Step

NOTHING_RUNS = Device("none", "none")


@dataclass(frozen=True)
class StudyStage:
    """One step, ready to be run.

    Attributes:
        cells: in the order of the networks.
        jobs_of: what of them belongs together.
        waiting: networks that the step cannot ask yet, because an earlier step has not found their batch.
    """

    step: Step
    cells: list[Planned]
    jobs_of: JobsOf
    waiting: tuple[str, ...] = ()


def kind_of(where: Device) -> Kind:
    return "none" if where.name == "none" else "cpu" if where.name == "cpu" else "cuda"


def stage_of(
    step: Step,
    models: Sequence[Model],
    where: Device,
    entries: Sequence[Entry],
    executor: Executor,
    rule: StopRule | None = None,
) -> StudyStage:
    """The cells of a step.

    Args:
        where: the study's device.
        entries: of the ledger, where earlier steps left the largest batches.
        executor: who will answer.
        rule: how long rounds go on.
    """
    rule = rule or StopRule()
    device = _device(step, where)
    batches = {model.name: _batch(step, model, entries) for model in models}
    ready = [model for model in models if batches[model.name] is not None]

    def cases(model: Model) -> list[Case]:
        fields = {**step.fields, **({"batch_size": batches[model.name]} if step.largest_batch is not None else {})}
        options = {**step.options, **(rule.options() if step.how == "rounds" else {})}
        own = TASKS[step.task].options.parse(options)
        case = Case(step.task, model.spec.text, device=device.name, options=own, **fields)
        return [replace(case, modes=modes) for modes in step.modes]

    return StudyStage(
        step,
        plan(ready, cases, executor),
        _jobs_of(step, rule),
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
    found = Readings(entries).best(model.name, "max_batch", step.largest_batch)
    return int(found.value) if found else None


def _jobs_of(step: Step, rule: StopRule) -> JobsOf:
    if step.how == "rounds":
        return in_rounds(rule)
    return search_jobs if step.how == "search" else single_jobs
