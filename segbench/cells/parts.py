"""A task in two parts: what one process finds out once, and what fresh processes time in rounds.

The accuracy of a trained network over a data set takes minutes and comes out the same each time; its times take seconds
and need rounds. The task is told its part by the option `part`; the ledger holds one entry of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from segbench.cells.cell import Listener, Result, RunCase
from segbench.cells.jobs import Job, JobsOf
from segbench.cells.merge import first_environment
from segbench.cells.rounds import Rounds
from segbench.records.case import Case, Json
from segbench.statistics.stopping import StopRule


@dataclass(frozen=True)
class OnceAndInRounds:
    """One case: its first part once, its second in rounds until the rule knows its times."""

    case: Case
    rule: StopRule
    alone: bool = True

    @property
    def cases(self) -> tuple[Case, ...]:
        return (self.case,)

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        hear = _heard_as(self.case, listen)
        first = run_case(self.case.with_options(part="once"), timeout_s, hear)
        if first.outcome != "ok":
            yield replace(first, case=self.case)
            return
        timed = Rounds((self.case.with_options(part="timed"),), self.rule)
        for second in timed.run(run_case, timeout_s, hear):
            yield _joined(self.case, first, second)


def once_and_in_rounds(rule: StopRule) -> JobsOf:
    """One job a case, each finished before the next begins: nothing is lost when a later one is interrupted."""

    def jobs(cases: Sequence[Case]) -> list[Job]:
        return [OnceAndInRounds(case, rule) for case in cases]

    return jobs


def _joined(case: Case, first: Result, second: Result) -> Result:
    """Both parts as one result; how it ended is how the second did."""
    return replace(
        second,
        case=case,
        environment=first_environment((first, second)),
        measurements=(*first.measurements, *second.measurements),
        seconds=first.seconds + second.seconds,
    )


def _heard_as(case: Case, listen: Listener) -> Listener:
    """Whoever listens knows the case as it was planned."""

    def hear(_: Case, kind: str, event: dict[str, Json]) -> None:
        listen(case, kind, event)

    return hear
