"""What a fresh process found out about one case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

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


Runner = Callable[[str, Sequence[Case], float, Listener], Iterator[Result]]
"""Runs a task over cases; tests give a fake one."""


def run_in_child(
    task: str, cases: Sequence[Case], timeout_s: float, listen: Listener, command: Sequence[str] | None = None
) -> Iterator[Result]:
    """Runs the cases in one child; should it die, the case it died on is blamed and a new child takes the rest.

    Users' files never share a child with other networks: two of them may each import a `blocks` of its own.

    Args:
        task: name of a module of `segbench.tasks`.
        cases: in the order to be measured; give one at a time where a case must have its process alone.
        timeout_s: per case.
        listen: hears progress and notes.
        command: what to start instead, for tests.
    """
    rest = list(cases)
    while rest:
        answered = 0
        for result in _one_child(task, _sharing(rest), timeout_s, listen, command):
            answered += 1
            yield result
        rest = rest[answered:]


def _sharing(cases: list[Case]) -> list[Case]:
    """The first cases, as far as they may share a process."""
    first = _users_file(cases[0])
    return list(takewhile(lambda case: _users_file(case) == first, cases))


def _users_file(case: Case) -> str:
    """The file that defines the case's network; empty for one of the catalogue or of an installed package."""
    return case.model.partition("+")[0] if Path(case.model).is_absolute() else ""


def _one_child(
    task: str, cases: list[Case], timeout_s: float, listen: Listener, command: Sequence[str] | None
) -> Iterator[Result]:
    child = Child(task, cases, timeout_s, command)
    open_case = _OpenCase(cases[0])
    environment: Environment | None = None
    position = 0
    for event in child.events():
        kind = event["event"]
        if kind == "environment":
            environment = Environment.from_json(event["environment"])
        elif kind == "outcome":
            yield open_case.closed(
                event["outcome"],
                event["cause"],
                environment,
                user_error=event["user_error"],
                traceback=event.get("traceback", ""),
            )
            position += 1
            open_case = _OpenCase(cases[min(position, len(cases) - 1)])
        else:
            open_case.hear(kind, event, listen)
    if position < len(cases):
        ending = child.ending
        outcome = "crashed" if ending.outcome == "ok" else ending.outcome
        cause = ending.cause or "the process ended without an answer"
        yield open_case.closed(outcome, cause, environment, stderr=ending.stderr)


class _OpenCase:
    """Collects what a child tells about the case it is working on."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._measurements: list[Measurement] = []
        self._notes: list[str] = []
        self._start = time.monotonic()

    def hear(self, kind: str, event: dict[str, Json], listen: Listener) -> None:
        if kind == "measured":
            self._measurements.append(Measurement.from_json(event["measurement"]))
        elif kind == "note":
            self._notes.append(event["sentence"])
        listen(self._case, kind, event)

    def closed(
        self,
        outcome: str,
        cause: str | None,
        environment: Environment | None,
        user_error: bool = False,
        stderr: str = "",
        traceback: str = "",
    ) -> Result:
        if environment is not None:
            environment = replace(environment, notes=(*environment.notes, *self._notes))
        return Result(
            case=self._case,
            outcome=outcome,
            cause=cause,
            environment=environment,
            measurements=tuple(self._measurements),
            seconds=time.monotonic() - self._start,
            user_error=user_error,
            stderr=stderr,
            traceback=traceback,
        )
