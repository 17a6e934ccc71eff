"""What a person sees while cells are measured: a live line on a terminal, one line a cell elsewhere; always stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from segbench.records.case import Case, Json
from segbench.records.measurement import ANSWERS


class CellProgress:
    """Counts cells and shows the step the current one is at.

    Args:
        names: what to call each case.
        console: on stderr.
    """

    def __init__(self, names: Mapping[Case, str], console: Console) -> None:
        self._names = names
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        self._live = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> CellProgress:
        self._live.start()
        self._task = self._live.add_task("starting", total=len(self._names))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def listen(self, case: Case, kind: str, event: Mapping[str, Json]) -> None:
        """Hears a child's event."""
        if kind == "progress" and self._task is not None:
            total = f"/{event['total']}" if event["total"] else ""
            step = f"{self._names.get(case, case.model)}: {event['stage']} {event['done']}{total}"
            self._live.update(self._task, description=step)
        elif kind == "cluster" and self._task is not None:
            self._live.update(self._task, description=in_words(event))

    def finished(self, name: str, outcome: str, cause: str | None, seconds: float, fresh: bool) -> None:
        """A cell has ended; a failure leaves a line, and without a terminal so does a success."""
        if self._task is not None:
            self._live.advance(self._task)
        if outcome not in ANSWERS:
            self._console.print(Text(f"{name}: {outcome}: {cause}", style="red"))
        elif not self._console.is_terminal:
            how = f"{seconds:.1f} s" if fresh else "from the ledger"
            self._console.print(Text(f"{name}: {outcome} ({how})"), highlight=False)


def in_words(standing: Mapping[str, Json]) -> str:
    """`2 hosts, 4 running, 24 waiting`."""
    hosts = standing["hosts"]
    return f"{hosts} host{'' if hosts == 1 else 's'}, {standing['running']} running, {standing['waiting']} waiting"


def print_stderr_tail(console: Console, name: str, stderr: str, lines: int = 12) -> None:
    """The end of what a failed child wrote, so that the reason can be found."""
    tail: Sequence[str] = stderr.strip().splitlines()[-lines:]
    if tail:
        console.print(Text(f"{name} wrote last:\n  " + "\n  ".join(tail), style="dim"))
