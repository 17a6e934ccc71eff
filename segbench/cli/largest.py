"""What `max-batch`, `max-input` and `fits` share: a budget, one case a network and mode, one search each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from typer import Option

from segbench.cards.model import Model
from segbench.cells.jobs import single_jobs
from segbench.cells.series import Done
from segbench.cli.groups import ConditionFlags, OwnFields, SeesNodes
from segbench.cli.predicting import PredictionFlags
from segbench.cli.session import Session
from segbench.devices.budgets import Budget
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.present.amounts import in_bytes
from segbench.records.case import Case
from segbench.records.options import Assumptions
from segbench.search.runner import search_jobs

Modes = Annotated[str, Option("--mode", help="train, infer or both.", rich_help_panel="Conditions")]


def searching_device(conditions: ConditionFlags, command: str, seen: SeesNodes | None = None) -> Device:
    """Where a search runs or is predicted.

    Raises:
        UserError: a device on which nothing can be searched.
    """
    where = conditions.where(command, predicts=True, seen=seen)
    if where.name == "cpu":
        raise UserError(f"{command} searches on CUDA or predicts; choose --device cuda or --device none")
    return where


def searched(
    session: Session,
    task: str,
    models: Sequence[Model],
    fields: Mapping[str, object],
    budget: Budget,
    prediction: PredictionFlags,
    modes: Sequence[str],
    own: OwnFields = lambda _: {},
    reuse: bool | None = None,
) -> list[Done]:
    """Predicts without a device, or searches on the GPU: one cell a network and mode.

    Args:
        task: `max_batch` or `max_input`.
        fields: of every case; `device` among them.
        own: of a network's cases instead.
        reuse: instead of the command's flag.
    """
    options = prediction.options(Assumptions, (budget.name, session.executor.probe(str(fields["device"])).device_name))
    case = partial(Case, task, budget_bytes=budget.bytes, options=options, **fields)  # type: ignore[arg-type]
    cells = session.plan(
        models, lambda model: [case(model=model.spec.text, modes=(mode,), **own(model)) for mode in modes]
    )
    jobs_of = single_jobs if fields["device"] == "none" else search_jobs
    return session.measure(cells, jobs_of, reuse=reuse)


def described(budget: Budget) -> str:
    """`v100-32gb: 31.7 GiB (where the figure comes from)`."""
    return f"{budget.name}: {in_bytes(budget.bytes)}" + (f" ({budget.source})" if budget.source else "")


def modes_of(text: str) -> tuple[str, ...]:
    """Raises:
    UserError: no mode.
    """
    if text not in ("train", "infer", "both"):
        raise UserError(f"no mode {text!r}; choose train, infer or both")
    return ("train", "infer") if text == "both" else (text,)
