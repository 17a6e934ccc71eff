"""What a person sees of a sweep: a live table with the time left, the plan of a dry run, and the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as LiveTable
from rich.text import Text

from segbench.present.amounts import in_seconds
from segbench.present.formats import of_unit, spread
from segbench.present.memory import headline
from segbench.present.progress import CellProgress, in_words
from segbench.present.provenance import provenance
from segbench.present.table import Column, Columns, Table, table_of, without_empty_columns
from segbench.present.values import outcome, uncertainty, value_of
from segbench.records.case import Case, Json
from segbench.records.ledger import Entry
from segbench.records.measurement import ANSWERS
from segbench.records.quantities import quantity
from segbench.records.tasks import TASKS, Task

_SHOWN = 12
"""Rows of the live table: the cell at work and those before it."""


@dataclass
class _State:
    step: str = ""
    outcome: str = ""
    cause: str | None = None
    seconds: float = 0.0
    fresh: bool = True


@dataclass
class _Tally:
    """What is known of the sweep so far.

    Attributes:
        standing: of other machines that answer, as `segbench.present.progress.in_words` reads it.
    """

    total: int
    cells: dict[str, _State] = field(default_factory=dict)
    standing: Mapping[str, Json] = field(default_factory=dict)

    @property
    def ended(self) -> list[_State]:
        return [state for state in self.cells.values() if state.outcome]

    @property
    def seconds_left(self) -> float | None:
        """The mean of the cells measured, times those to come, by those that run at once; None before the first."""
        fresh = [state.seconds for state in self.ended if state.fresh]
        at_once = max(1, self.standing.get("running", 1))
        return sum(fresh) / len(fresh) * (self.total - len(self.ended)) / at_once if fresh else None

    def sentence(self) -> str:
        """`12 of 40 cells, 1 failed, 2 hosts, 4 running, 24 waiting, about 3 min left`."""
        failed = sum(state.outcome not in ANSWERS for state in self.ended)
        parts = [f"{len(self.ended)} of {self.total} cells"]
        parts += [f"{failed} failed"] if failed else []
        parts += [in_words(self.standing)] if self.standing else []
        left = self.seconds_left
        parts += [f"about {_roughly(left)} left"] if left else []
        return ", ".join(parts)


class SweepProgress(CellProgress):
    """A table of cells that redraws itself on a terminal; elsewhere one line a cell with the time left."""

    def __init__(
        self, names: Mapping[Case, str], console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(names, console)
        self._tally = _Tally(len(names))
        self._clock = clock
        self._screen = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> SweepProgress:
        if self._console.is_terminal:
            self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.stop()

    def listen(self, case: Case, kind: str, event: Mapping[str, Json]) -> None:
        """Hears a child's event."""
        if kind == "progress":
            total = f"/{event['total']}" if event["total"] else ""
            self._state(self._names.get(case, case.model)).step = f"{event['stage']} {event['done']}{total}"
            self._draw()
        elif kind == "cluster":
            self._tally.standing = event
            self._draw()

    def finished(self, name: str, outcome: str, cause: str | None, seconds: float, fresh: bool) -> None:
        """A cell has ended."""
        state = self._state(name)
        state.outcome, state.cause, state.seconds, state.fresh = outcome, cause, seconds, fresh
        if self._console.is_terminal:
            self._draw()
            return
        why = "" if outcome in ANSWERS else f": {cause}"
        how = f"{seconds:.1f} s" if fresh else "from the ledger"
        self._console.print(Text(f"{name}: {outcome}{why} ({how}); {self._tally.sentence()}"), soft_wrap=True)

    def _state(self, name: str) -> _State:
        return self._tally.cells.setdefault(name, _State())

    def _draw(self) -> None:
        if not self._console.is_terminal:
            return
        table = LiveTable(box=box.SIMPLE_HEAD)
        for heading in ("cell", "state", "time"):
            table.add_column(heading)
        for name, state in list(self._tally.cells.items())[-_SHOWN:]:
            failed = bool(state.outcome) and state.outcome not in ANSWERS
            shown = f"{state.outcome}: {state.cause}" if failed else state.outcome or state.step
            spent = (in_seconds(state.seconds) if state.fresh else "from the ledger") if state.outcome else ""
            table.add_row(name, Text(shown, style="red" if failed else ""), spent)
        self._screen.update(Group(table, Text(self._tally.sentence())), refresh=True)


def cells_table(cells: Sequence[tuple[str, bool]]) -> Table:
    """A dry run: every cell and whether the ledger answers it already."""
    rows = [[name, "in the ledger" if known else "to be measured"] for name, known in cells]
    done = sum(known for _, known in cells)
    return table_of(
        "Sweep",
        ["cell", "state"],
        rows,
        [f"{len(cells)} cells, {done} in the ledger, {len(cells) - done} to be measured"],
    )


def sweep_table(task: str, factors: Sequence[Mapping[str, Json]], entries: Sequence[Entry]) -> Table:
    """One row a cell: network, the factors that vary, the task's headline values.

    Args:
        factors: of each entry.
    """
    names = list(dict.fromkeys(name for found in factors for name in found))
    wanted = [_as_read(name, entries[0]) for name in _shown(TASKS[task])]
    rows = [
        [
            entry.model,
            *(str(found.get(name, "")) for name in names),
            *(value for name in wanted for value in (value_of(entry, name), uncertainty(entry, name))),
            outcome(entry),
        ]
        for entry, found in zip(entries, factors, strict=True)
    ]
    columns: Columns = [
        column
        for name in wanted
        for column in (Column(name, of_unit(quantity(name).unit)), Column("95 %", spread(quantity(name).unit), name))
    ]
    table = table_of(f"Sweep of {task}", ["network", *names, *columns, "outcome"], rows, [provenance(entries)])
    return without_empty_columns(table)


def _shown(task: Task) -> list[str]:
    """The quantities of the task's row; the exports have all."""
    return [*dict.fromkeys(task.quantity(mode) for mode in task.modes), *task.shown]


def _as_read(name: str, entry: Entry) -> str:
    """Of a peak the definition that could be read where the entry was measured."""
    return name.replace("_peak_live_", f"_peak_{headline(entry)}_")


def _roughly(seconds: float) -> str:
    """`40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
