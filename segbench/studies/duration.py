"""How long a study will take: what earlier cells took where the ledger has any, else a stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from segbench.cells.series import Planned
from segbench.records.ledger import Entry
from segbench.records.tasks import TASKS
from segbench.studies.planning import StudyStage

_USUAL = 60.0
"""Of a task that states no seconds (`Task.seconds`)."""


@dataclass(frozen=True)
class DurationEstimate:
    """Of one stage.

    Attributes:
        todo: cells that will be run.
        held: cells that the ledger answers already.
        seconds: for `todo`.
        known: of `todo`, cells whose like stands in the ledger; the others are taken from the rule.
    """

    todo: int
    held: int
    seconds: float
    known: int

    @property
    def basis(self) -> str:
        """Where the seconds come from, in one phrase."""
        if not self.todo:
            return "all in the ledger"
        if self.known == self.todo:
            return "as earlier cells took"
        return "by rule" if not self.known else f"{self.known} as earlier cells took, {self.todo - self.known} by rule"


def estimate_duration(stage: StudyStage, entries: Sequence[Entry], fresh: bool = False) -> DurationEstimate:
    """What a stage will take.

    Args:
        entries: of the ledger.
        fresh: what the ledger answers is measured all the same.
    """
    held = set() if fresh else {entry.key for entry in entries if entry.answered}
    todo = [cell for cell in stage.cells if cell.key not in held]
    past = [_past(cell, entries) for cell in todo]
    seconds = sum(took if took is not None else _by_rule(cell) for cell, took in zip(todo, past, strict=True))
    waiting = len(stage.waiting) * len(stage.step.modes)
    usual = TASKS[stage.step.task].seconds.get("cuda" if stage.step.largest_batch is not None else "cpu", _USUAL)
    return DurationEstimate(
        todo=len(todo) + waiting,
        held=len(stage.cells) - len(todo),
        seconds=seconds + waiting * usual,
        known=sum(took is not None for took in past),
    )


def _past(cell: Planned, entries: Sequence[Entry]) -> float | None:
    """The median of what the same task took for the same network on the same kind of device."""
    took = [
        entry.seconds
        for entry in entries
        if entry.model == cell.model.name
        and (entry.case.task, entry.case.modes) == (cell.case.task, cell.case.modes)
        and _kind(entry.case.device) == _kind(cell.case.device)
    ]
    return median(took) if took else None


def _by_rule(cell: Planned) -> float:
    return cell.case.kind.seconds.get(_kind(cell.case.device), _USUAL)


def _kind(device: str) -> str:
    return device.partition(":")[0]
