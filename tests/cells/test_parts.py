"""A task in two parts, driven by a machine that answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from segbench.cells.cell import Listener, Result
from segbench.cells.parts import once_and_in_rounds
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.statistics.stopping import StopRule

ENVIRONMENT = Environment("cpu", "Test CPU", "2.13.0", "3.11", "Linux", "0123", threads=1)
CURVE, OTHER = Case("trajectory", "a"), Case("trajectory", "b")
RULE = StopRule(min_rounds=3, min_runs=6, max_runs=6)


class Machine:
    """Scores in the first part, times in the second; each process takes a second."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str]] = []
        self.ends: dict[tuple[str, str], str] = {}
        self.interrupt_after = 100

    def run(self, case: Case, timeout_s: float, listen: Listener) -> Result:
        if len(self.parts) == self.interrupt_after:
            raise KeyboardInterrupt
        part = case.options.part
        self.parts.append((case.model, part))
        listen(case, "progress", {"event": "progress", "stage": "image", "done": 1, "total": 2})
        outcome = self.ends.get((case.model, part), "ok")
        rows = [Measurement("miou", 0.6, "measured:host", factors={"t_end": 1.0})]
        if part == "timed":
            rows = [Measurement("latency_s", 1.0, "measured:host", samples=(1.0, 1.0), factors={"t_end": 1.0})]
        found = tuple(rows) if outcome == "ok" else ()
        environment = replace(ENVIRONMENT, notes=(f"note of {part}",))
        return Result(case, outcome, None if outcome == "ok" else "the reason", environment, found, 1.0)


def measure(machine: Machine, cases: Sequence[Case] = (CURVE,), heard: list[Json] | None = None) -> list[Result]:
    def listen(case: Case, kind: str, event: dict[str, Json]) -> None:
        if heard is not None:
            heard.append((case, event["stage"]))

    jobs = once_and_in_rounds(RULE)(cases)
    return [result for job in jobs for result in job.run(machine.run, 10, listen)]


def test_the_first_part_runs_once_and_the_second_in_rounds() -> None:
    machine = Machine()
    (found,) = measure(machine)
    assert machine.parts == [("a", "once"), ("a", "timed"), ("a", "timed"), ("a", "timed")]
    assert [row.quantity for row in found.measurements] == ["miou", "latency_s"]
    assert found.measurements[1].detail["rounds"] == [2, 2, 2]
    assert found.case == CURVE and found.seconds == 4.0
    assert found.environment is not None and found.environment.notes == ("note of once", "note of timed")


def test_each_curve_is_finished_before_the_next_begins() -> None:
    machine = Machine()
    assert [result.case for result in measure(machine, (CURVE, OTHER))] == [CURVE, OTHER]
    assert [model for model, _ in machine.parts] == ["a"] * 4 + ["b"] * 4


def test_a_first_part_that_fails_is_not_timed() -> None:
    machine = Machine()
    machine.ends = {("a", "once"): "failed"}
    (found,) = measure(machine)
    assert machine.parts == [("a", "once")]
    assert (found.case, found.outcome, found.cause) == (CURVE, "failed", "the reason")


def test_rounds_that_fail_leave_what_the_first_part_found() -> None:
    machine = Machine()
    machine.ends = {("a", "timed"): "crashed"}
    (found,) = measure(machine)
    assert found.outcome == "crashed"
    assert [row.quantity for row in found.measurements] == ["miou"]


def test_what_was_timed_before_ctrl_c_is_kept() -> None:
    machine = Machine()
    machine.interrupt_after = 3
    results = iter(once_and_in_rounds(RULE)([CURVE])[0].run(machine.run, 10, lambda *_: None))
    found = next(results)
    assert [row.quantity for row in found.measurements] == ["miou", "latency_s"]
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_listeners_hear_of_the_planned_case() -> None:
    heard: list[Json] = []
    measure(Machine(), heard=heard)
    assert heard == [(CURVE, "image"), *((CURVE, f"round {number}, image") for number in (1, 2, 3))]
