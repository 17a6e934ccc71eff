"""Interleaved rounds: each network in a fresh process in every round, in shuffled order, until its time is known.

What the machine does meanwhile (another program, a warming GPU) then hits all networks alike, and a median rests on
several processes with their own memory layout, not on many samples of one.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from segbench.cells.cell import Listener, Result, RunCase
from segbench.cells.jobs import Job, JobsOf
from segbench.cells.merge import merge_rounds, samples_of
from segbench.records.case import Case, Json
from segbench.statistics.intervals import RoundSamples
from segbench.statistics.stopping import StopDecision, StopRule

_UNDECIDED = StopDecision(False, False, math.inf, "")
_UNTIMED = StopDecision(True, False, math.inf, "nothing was timed")


@dataclass(frozen=True)
class Rounds:
    """The networks of one comparison.

    Attributes:
        cases: one a network, of one task.
        rule: when a network has been measured long enough.
        session: names these rounds in the ledger and seeds their order.
    """

    cases: tuple[Case, ...]
    rule: StopRule
    session: str = field(default_factory=lambda: secrets.token_hex(4))
    alone: bool = True

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        """Ctrl-C ends the rounds; once every network has one, what they told is kept, with its wider interval."""
        order = random.Random(self.session)
        entrants = [_Entrant(case, self.rule) for case in self.cases]
        stopped: KeyboardInterrupt | None = None
        try:
            while turns := [entrant for entrant in entrants if entrant.is_open]:
                for entrant in order.sample(turns, len(turns)):
                    entrant.add(_one_round(run_case, entrant, timeout_s, listen))
                if all(entrant.decision.reached for entrant in turns if entrant.is_open):
                    break
        except KeyboardInterrupt as interrupt:
            if not all(entrant.results for entrant in entrants):
                raise
            stopped = interrupt
        for entrant in entrants:
            yield merge_rounds(entrant.case, entrant.results, entrant.headline, entrant.judge, self.session)
        if stopped:
            raise stopped


def in_rounds(rule: StopRule) -> JobsOf:
    """Makes all cases of a command one comparison."""

    def jobs(cases: Sequence[Case]) -> list[Job]:
        return [Rounds(tuple(cases), rule)] if cases else []

    return jobs


@dataclass
class _Entrant:
    """One case and its rounds so far.

    Attributes:
        decision: of the rule after the last round.
    """

    case: Case
    rule: StopRule
    results: list[Result] = field(default_factory=list)
    decision: StopDecision = _UNDECIDED

    @property
    def headline(self) -> str:
        """The quantity that the rule looks at; where it is measured along a factor, the row that is known least."""
        return self.case.kind.rounds_about

    @property
    def is_open(self) -> bool:
        """Whether it takes part in the next round: it has not failed, and no limit is reached.

        One that has reached its target goes on with the others as long as they need, so that rounds stay pairs.
        """
        failed = bool(self.results) and self.results[-1].outcome != "ok"
        return not failed and (self.decision.reached or not self.decision.stop)

    def round_case(self) -> Case:
        """The case with this process's share of the rule; half of the time is left for rounds beyond the fewest."""
        rounds, rule = self.rule.min_rounds, self.rule
        return self.case.with_options(
            round_min_runs=math.ceil(rule.min_runs / rounds),
            round_max_runs=math.ceil(rule.max_runs / rounds),
            round_seconds=rule.max_seconds / rounds / 2,
        )

    def add(self, result: Result) -> None:
        self.results.append(result)
        if result.outcome == "ok":
            decisions = [self.judge(rounds) for rounds in samples_of(self.results, self.headline)]
            self.decision = max(decisions, key=lambda decision: decision.half_width, default=_UNTIMED)

    def judge(self, rounds: RoundSamples) -> StopDecision:
        """What the rule says of these samples after the time spent so far."""
        compiling = sum(sum(block) for row in samples_of(self.results, "compile_s") for block in row)
        return self.rule.judge(rounds, sum(result.seconds for result in self.results) - compiling)


def _one_round(run_case: RunCase, entrant: _Entrant, timeout_s: float, listen: Listener) -> Result:
    number = len(entrant.results) + 1

    def hear(_: Case, kind: str, event: dict[str, Json]) -> None:
        stage = {"stage": f"round {number}, {event['stage']}"} if kind == "progress" else {}
        listen(entrant.case, kind, {**event, **stage})

    return run_case(entrant.round_case(), timeout_s, hear)
