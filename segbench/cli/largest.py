"""The recipe that `max-batch`, `max-input` and `fits` share: a budget, one case a network and mode, one search each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from segbench.cards.catalogue import Model, find_models
from segbench.cells.cell import Runner
from segbench.cells.series import Done, Planned, plan
from segbench.cli.cases import default_classes, parse_arguments
from segbench.cli.predicting import Assumed, chosen_budget
from segbench.cli.session import Output, finish, measure
from segbench.devices.budgets import Budget
from segbench.devices.choice import Device, choose_device
from segbench.errors import UserError
from segbench.present.amounts import in_bytes
from segbench.present.largest import largest_sheet
from segbench.records.case import Case
from segbench.records.host import package_version
from segbench.search.runner import search_in_children
from segbench.units import parse_size

Modes = Annotated[str, typer.Option("--mode", help="train, infer or both.")]


@dataclass(frozen=True)
class SearchRequest:
    """What the user asked of a search, as typed.

    Attributes:
        task: `max_batch` or `max_input`.
        fields: further fields of the case.
        assumed: what a prediction takes for granted.
    """

    task: str
    models: Sequence[str]
    budget: str | None
    device: str
    mode: str
    input: str
    classes: int | None
    dataset: str | None
    arguments: Sequence[str] | None
    fields: Mapping[str, Any]
    assumed: Assumed = field(default_factory=Assumed)


@dataclass(frozen=True)
class Search:
    """A request made sense of."""

    models: list[Model]
    where: Device
    budget: Budget
    cells: list[Planned]

    def answers(self, ledger: Path, timeout_s: float, reuse: bool) -> list[Done]:
        """Predicts in one child, or searches on the GPU."""
        if self.where.name == "none":
            return measure(self.cells, ledger, timeout_s, reuse=reuse, together=True)
        return measure(self.cells, ledger, timeout_s, reuse=reuse, arrange=_searching)


def understood(request: SearchRequest) -> Search:
    """The cells of a request.

    Raises:
        UserError: a value that cannot be read, or a device on which nothing can be searched.
    """
    command = request.task.replace("_", "-")
    where = choose_device(request.device, command)
    if where.name == "cpu":
        raise UserError(f"{command} searches on CUDA or predicts; choose --device cuda or --device none")
    models = find_models(list(request.models))
    budget = chosen_budget(request.budget, where)
    width, height = parse_size(request.input)
    case = Case(
        task=request.task,
        model="",
        arguments=parse_arguments(request.arguments),
        device=where.name,
        width=width,
        height=height,
        classes=request.classes or default_classes(request.dataset),
        budget_bytes=budget.bytes,
        **request.fields,
    )
    case = request.assumed.in_case(case, (budget.name, where.title))
    modes = _modes(request.mode)

    def one_search_a_mode(network: Model) -> list[Case]:
        return [replace(case, model=network.spec, modes=(mode,)) for mode in modes]

    return Search(models, where, budget, plan(models, one_search_a_mode, where.title, package_version("torch") or ""))


def largest_command(request: SearchRequest, output: Output, ledger: Path, timeout_s: float, reuse: bool) -> None:
    """Searches, shows, exports, exits."""
    search = understood(request)
    done = search.answers(ledger, timeout_s, reuse)
    cards = {item.name: item.card for item in search.models}
    finish(done, [largest_sheet([item.entry for item in done], cards, described(search.budget))], cards, output)


def described(budget: Budget) -> str:
    """`v100-32gb: 31.7 GiB (where the figure comes from)`."""
    return f"{budget.name}: {in_bytes(budget.bytes)}" + (f" ({budget.source})" if budget.source else "")


def _searching(run: Runner) -> Runner:
    return partial(search_in_children, run=run)


def _modes(mode: str) -> tuple[str, ...]:
    if mode not in ("train", "infer", "both"):
        raise UserError(f"no mode {mode!r}; choose train, infer or both")
    return ("train", "infer") if mode == "both" else (mode,)
