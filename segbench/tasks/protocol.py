"""How a child talks to the command that started it: one JSON object a line.

In on stdin: `{"case": case}`. Out: one `environment`, any number of `progress`, `note` and `measured`, then one
`outcome`, with the `traceback` of what was raised. Whatever else the child or a library prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import IO, Protocol

from segbench.errors import UserError
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.tasks.traceback import publishable_traceback


class Reporter(Protocol):
    """What a task tells while it works; a test's fake collects it in lists."""

    def measured(self, measurement: Measurement) -> None:
        """One row is final; it survives whatever happens to the task later."""

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:
        """Step `done` of `total` of a stage has ended; total 0 means unknown."""

    def note(self, sentence: str) -> None:
        """Something that disturbed the measurement or limits what it says."""


RunTask = Callable[[Case, Reporter], None]


class PipeReporter:
    """Writes events as JSON lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def send(self, event: str, **payload: Json) -> None:
        # Whole before the first byte: what JSON cannot carry fails here, where half a line would hide the next one.
        line = json.dumps({"event": event, **payload}, separators=(",", ":"), allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()

    def measured(self, measurement: Measurement) -> None:
        self.send("measured", measurement=measurement.to_json())

    def progress(self, stage: str, done: int, total: int, **extra: Json) -> None:
        self.send("progress", stage=stage, done=done, total=total, extra=extra)

    def note(self, sentence: str) -> None:
        self.send("note", sentence=sentence)


def serve(task: RunTask, describe: Callable[[Case], Environment], classify: Callable[[BaseException], str]) -> None:
    """Reads the case, runs the task on it, and reports.

    Args:
        task: the work.
        describe: records the environment.
        classify: turns an exception into an outcome (`does_not_fit`, `unsupported` or `failed`).
    """
    reporter = PipeReporter(_take_stdout())
    case = Case.from_json(json.load(sys.stdin)["case"])
    try:
        reporter.send("environment", environment=describe(case).to_json())
        task(case, reporter)
    except Exception as error:  # whatever a user's network raises is this case's outcome
        user = isinstance(error, UserError)
        cause = str(error) if user else f"{type(error).__name__}: {_first_line(error)}"
        trace = "" if user else publishable_traceback(error)
        reporter.send("outcome", outcome=classify(error), cause=cause, user_error=user, traceback=trace)
    else:
        reporter.send("outcome", outcome="ok", cause=None, user_error=False, traceback="")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "no message"


def _take_stdout() -> IO[str]:
    """Keeps the pipe for events and sends every other print, also those of C libraries, to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream
