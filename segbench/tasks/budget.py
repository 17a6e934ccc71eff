"""Settles `+checkpoint:budget=8GB` for a case: its step is traced, and the modules to recompute are named instead.

The budget is for what `segbench memory` shows of a training step: reserved bytes on CUDA, or predicted for it; live
bytes on the CPU. The choice is made by live bytes, traced once without and once with every module recomputed; then it
is traced itself, and made again with less if it does not keep within the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segbench.cards.model import find_model
from segbench.cards.spec import BUDGET, ModelSpec
from segbench.errors import UserError
from segbench.estimate.allocator import replay
from segbench.estimate.log import StorageLog
from segbench.memory_optimisations.budget import Unit, cheapest
from segbench.memory_optimisations.checkpoint import repeated_modules
from segbench.meters.operations import count_operations
from segbench.records.case import Case
from segbench.tasks.predict import predicting, traced_step, workload_on_meta
from segbench.units import GB, parse_bytes

_ROUNDS = 8
"""Tries to meet the budget with a chosen few before all modules are recomputed."""
_STEP = 2
"""Of a trace: the first in which the optimizer has its state."""
_SEARCHES = ("max_batch", "max_input")
"""Tasks that predict many batches or sizes from one case."""


@dataclass(frozen=True)
class Settled:
    """A case with modules by name, and the sentence that says which and why."""

    case: Case
    sentence: str


def settle(case: Case) -> Settled:
    """The case in which the budget has become modules.

    Raises:
        UserError: a budget that is none, or less than recomputing every module takes; a search for the largest batch
            or input, which has no one case to choose for.
    """
    if case.task in _SEARCHES:
        raise UserError(
            f"{find_model(case.model).name}: a budget chooses modules for one batch and size, and a predicted search"
            " has many; name modules, as in checkpoint:stage?.*, or write +checkpoint alone"
        )
    plan = _Plan(case)
    names = plan.chosen()
    taken = plan.bytes_with(names)
    told = f"{len(names)} of {len(plan.units)} modules ({', '.join(names)})" if names else "no module"
    sentence = (
        f"{plan.name} recomputes {told} and is predicted to train in {taken / GB:.3g} GB at batch {case.batch_size}; "
        f"{plan.plain / GB:.3g} GB without, {plan.least / GB:.3g} GB with all of them"
    )
    return Settled(replace(case, model=plan.spec(names).text), sentence)


class _Plan:
    """What is known of a case's network: its units, and traces without and with all of them recomputed."""

    def __init__(self, case: Case) -> None:
        self._case = predicting(case)
        found = find_model(case.model)
        self.name, self._network = found.name, found.spec
        self._traces: dict[tuple[str, ...], tuple[StorageLog, int]] = {}
        amount, share = self._written()
        self.names = self._unit_names()
        self.plain, self.least = self.bytes_with(()), self.bytes_with(self.names)
        self.budget = amount if share is None else self.plain * share // 100
        self.units = self._units()

    def spec(self, names: Sequence[str]) -> ModelSpec:
        """The network with these modules recomputed."""
        switch = [f"checkpoint:{','.join(names)}"] if names else []
        others = self._network.optimisations
        place = next(number for number, text in enumerate(others) if text.startswith(BUDGET))
        return replace(self._network, optimisations=(*others[:place], *switch, *others[place + 1 :]))

    def chosen(self) -> tuple[str, ...]:
        """The cheapest units whose trace keeps within the budget.

        Raises:
            UserError: it cannot be met.
        """
        if self.least > self.budget:
            raise UserError(
                f"{self.name}: with all its modules recomputed a training step of batch {self._case.batch_size} "
                f"takes {self.least / GB:.3g} GB, the least that is possible here, and the budget is "
                f"{self.budget / GB:.3g} GB; raise it or lower the batch"
            )
        goal = self.budget
        for _ in range(_ROUNDS):
            names = cheapest(self.units, self._needs(goal))
            if names is None:
                break
            over = self.bytes_with(names) - self.budget
            if over <= 0:
                return names
            goal -= over
        return self.names

    def bytes_with(self, names: Sequence[str]) -> int:
        return self._traced(tuple(names))[1]

    def _traced(self, names: tuple[str, ...]) -> tuple[StorageLog, int]:
        if names not in self._traces:
            case = replace(self._case, model=self.spec(names).text)
            log = traced_step(case, "train", case.batch_size).log
            self._traces[names] = log, log.peak[1] if case.device == "cpu" else replay(log).reserved_peak
        return self._traces[names]

    def _written(self) -> tuple[int, int | None]:
        """The budget in bytes, or in percent of the network without it."""
        (text,) = (text for text in self._network.optimisations if text.startswith(BUDGET))
        amount = text.removeprefix(BUDGET)
        share = amount.removesuffix("%")
        return (0, int(share)) if share != amount and share.isdecimal() else (parse_bytes(amount), None)

    def _unit_names(self) -> tuple[str, ...]:
        """In the order of the first call."""
        workload = workload_on_meta(replace(self._case, model=self.spec(()).text))
        units = {name for name, _ in repeated_modules(workload.network)}
        images = workload.make_batch(1)[0]
        self._counted = count_operations(workload.network, lambda: workload.infer(images))
        names = tuple(module.name for module in self._counted.modules if module.name in units)
        if not names:
            raise UserError(f"{self.name} repeats no modules of its own, so that there is nothing to choose from")
        return names

    def _units(self) -> list[Unit]:
        plain, all_recomputed = (_kept(self._traced(names)[0], self.names) for names in ((), self.names))
        macs = {module.name: module.macs for module in self._counted.modules}
        return [Unit(name, max(0, plain[name] - all_recomputed[name]), 1 + macs[name]) for name in self.names]

    def _needs(self, goal: int) -> list[int]:
        """Of each unit, and of what comes after the last: how far a plain step's bytes exceed the goal meanwhile."""
        log, counted = self._traced(())
        offset = counted - log.peak[1]  # what the allocator holds beyond what lives
        most = _most_by_unit(log, self.names)
        return [max(0, bytes_ + offset - goal) for bytes_ in most]


def _kept(log: StorageLog, units: Sequence[str]) -> dict[str, int]:
    """Bytes made in each unit that wait for the backward pass."""
    start = next(mark.position for mark in log.marks if mark.step == _STEP and mark.phase == "backward")
    kept = dict.fromkeys(units, 0)
    for number in log.alive_at(start - 1):
        storage = log.storages[number]
        owner = _owner(storage.module, units)
        if storage.role == "activations" and owner is not None:
            kept[units[owner]] += storage.bytes
    return kept


def _most_by_unit(log: StorageLog, units: Sequence[str]) -> list[int]:
    """Most live bytes while each unit is at work in either pass, and after the last one has run."""
    start, end = log.step_window(_STEP)
    backward = next(mark.position for mark in log.marks if mark.step == _STEP and mark.phase == "backward")
    live = log.live_bytes()
    most = [0] * (len(units) + 1)
    seen, zone = 0, 0
    for position in range(start, end):
        event = log.events[position]
        owner = _owner(log.storages[event - 1].module, units) if event > 0 else None
        if position < backward:
            seen = max(seen, -1 if owner is None else owner)
            zone = seen
        elif position == backward:
            zone = len(units)
        elif owner is not None:
            zone = min(zone, owner)
        most[zone] = max(most[zone], live[position])
    return most


def _owner(module: str, units: Sequence[str]) -> int | None:
    """Number of the unit in which a module lies."""
    return next((n for n, name in enumerate(units) if module == name or module.startswith(f"{name}.")), None)
