"""What a fresh process found out about one case."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from segbench.cells.child import Child
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement

Listener = Callable[[Case, str, dict[str, Json]], None]
"""Hears (case, event name, event) while a child works: `progress` and `note` events, for a live display."""


@dataclass(frozen=True)
class Result:
    """The end of one case.

    Attributes:
        measurements: what arrived before the end, also of a cell that failed.
        user_error: the cause is the user's mistake (exit code 2), not a failure of the cell.
        stderr: the end of what a child that failed wrote there.
        traceback: of what the task raised, without this machine's folders; empty where it raised nothing, or a
            sentence for the user.
        card_hash: of the network as another machine found it; empty where this one measured.
    """

    case: Case
    outcome: str
    cause: str | None
    environment: Environment | None
    measurements: tuple[Measurement, ...]
    seconds: float
    user_error: bool = False
    stderr: str = field(default="", repr=False)
    traceback: str = field(default="", repr=False)
    card_hash: str = ""


RunCase = Callable[[Case, float, Listener], Result]
"""Measures one case within so many seconds; tests give a fake one."""


def run_in_child(
    case: Case, timeout_s: float, listen: Listener, command: Sequence[str] | None = None, start: str | None = None
) -> Result:
    """Measures a case in a fresh process of its own.

    Args:
        timeout_s: how long the process may stay silent about the outcome.
        listen: hears progress and notes.
        command: what to start instead, for tests.
        start: `warm` or `cold`, see `Child`.
    """
    child = Child(case.task, case, timeout_s, command, start)
    heard = _Heard(case)
    for event in child.events():
        heard.hear(event, listen)
    ending = child.ending
    return heard.result(ending.outcome, ending.cause, ending.stderr)


class _Heard:
    """Collects what a child tells about its case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._environment: Environment | None = None
        self._measurements: list[Measurement] = []
        self._notes: list[str] = []
        self._end: dict[str, Json] | None = None
        self._start = time.monotonic()

    def hear(self, event: dict[str, Json], listen: Listener) -> None:
        kind = event["event"]
        if kind == "environment":
            self._environment = Environment.from_json(event["environment"])
        elif kind == "outcome":
            self._end = event
        elif kind == "measured":
            self._measurements.append(Measurement.from_json(event["measurement"]))
        elif kind == "note":
            self._notes.append(event["sentence"])
        if kind not in ("environment", "outcome"):
            listen(self._case, kind, event)

    def result(self, outcome: str, cause: str | None, stderr: str) -> Result:
        """What the child said itself, or else how its process ended."""
        end = self._end or {
            "outcome": "crashed" if outcome == "ok" else outcome,
            "cause": cause or "the process ended without an answer",
            "user_error": False,
        }
        said = self._end is not None
        environment = self._environment
        if environment is not None:
            environment = replace(environment, notes=(*environment.notes, *self._notes))
        return Result(
            case=self._case,
            outcome=end["outcome"],
            cause=end["cause"],
            environment=environment,
            measurements=tuple(self._measurements),
            seconds=time.monotonic() - self._start,
            user_error=end["user_error"],
            stderr="" if said else stderr,
            traceback=end.get("traceback", ""),
        )
