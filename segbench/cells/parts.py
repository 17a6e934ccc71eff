"""A task in two parts: what one process finds out once, and what fresh processes time in rounds.

The accuracy of a trained network over a data set takes minutes and comes out the same each time; its times take seconds
and need rounds. The task is told its part by the option `part`; the ledger holds one entry of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from segbench.cells.cell import Listener, Result, Runner
from segbench.cells.merge import first_environment
from segbench.cells.rounds import in_rounds
from segbench.records.case import Case, Json
from segbench.statistics.stopping import StopRule

ONCE, TIMED = "once", "timed"
"""Values of the option `part`."""


def once_and_in_rounds(rule: StopRule, headline: str, session: str | None = None) -> Callable[[Runner], Runner]:
    """Turns a runner of single processes into one that runs a case's first part once, its second as `in_rounds` does.

    Each case is finished before the next begins, so that nothing is lost when a later one is interrupted.

    Args:
        rule: when the second part has been measured long enough.
        headline: the quantity the rule looks at.
        session: as of `in_rounds`.
    """

    def arrange(runner: Runner) -> Runner:
        rounds = in_rounds(rule, headline, session)(runner)

        def run(task: str, cases: Sequence[Case], timeout_s: float, listen: Listener) -> Iterator[Result]:
            for case in cases:
                hear = _heard_as(case, listen)
                (first,) = runner(task, [case.with_options(part=ONCE)], timeout_s, hear)
                if first.outcome != "ok":
                    yield replace(first, case=case)
                    continue
                for second in rounds(task, [case.with_options(part=TIMED)], timeout_s, hear):
                    yield _joined(case, first, second)

        return run

    return arrange


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
