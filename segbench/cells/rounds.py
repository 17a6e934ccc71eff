"""Interleaved rounds: each network in a fresh process in every round, in shuffled order, until its time is known.

What the machine does meanwhile (another program, a warming card) then hits all networks alike, and a median rests on
several processes with their own memory layout, not on many samples of one.
"""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from segbench.cells.cell import Listener, Result, Runner
from segbench.cells.merge import merge_rounds, samples_of
from segbench.records.case import Case, Json
from segbench.statistics.intervals import Rounds
from segbench.statistics.stopping import StopDecision, StopRule

_UNDECIDED = StopDecision(False, False, math.inf, "")
_UNTIMED = StopDecision(True, False, math.inf, "nothing was timed")


def in_rounds(rule: StopRule, headline: str, session: str | None = None) -> Callable[[Runner], Runner]:
    """Turns a runner of single processes into one that runs rounds of them and merges what they found.

    Args:
        rule: when a network has been measured long enough.
        headline: the quantity the rule looks at; of a task that measures it along a factor, the row known least.
        session: names these rounds in the ledger and seeds their order; None draws one.
    """

    def arrange(runner: Runner) -> Runner:
        def run(task: str, cases: Sequence[Case], timeout_s: float, listen: Listener) -> Iterator[Result]:
            name = session or secrets.token_hex(4)
            order = random.Random(name)
            entrants = [_Entrant(case, rule, headline) for case in cases]
            stopped: KeyboardInterrupt | None = None
            try:
                while turns := [entrant for entrant in entrants if entrant.is_open]:
                    for entrant in order.sample(turns, len(turns)):
                        entrant.add(_one_round(runner, task, entrant, timeout_s, listen))
                    if all(entrant.verdict.reached for entrant in turns if entrant.is_open):
                        break
            except KeyboardInterrupt as interrupt:
                if not all(entrant.results for entrant in entrants):
                    raise
                stopped = interrupt  # every network has a round: what they told is kept, with its wider interval
            for entrant in entrants:
                yield merge_rounds(entrant.case, entrant.results, headline, entrant.judge, name)
            if stopped:
                raise stopped

        return run

    return arrange


@dataclass
class _Entrant:
    """One case and its rounds so far.

    Attributes:
        verdict: of the rule after the last round.
    """

    case: Case
    rule: StopRule
    headline: str
    results: list[Result] = field(default_factory=list)
    verdict: StopDecision = _UNDECIDED

    @property
    def is_open(self) -> bool:
        """Whether it takes part in the next round: it has not failed, and no limit is reached.

        One that has reached its target goes on with the others as long as they need, so that rounds stay pairs.
        """
        failed = bool(self.results) and self.results[-1].outcome != "ok"
        return not failed and (self.verdict.reached or not self.verdict.stop)

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
            verdicts = [self.judge(rounds) for rounds in samples_of(self.results, self.headline)]
            self.verdict = max(verdicts, key=lambda verdict: verdict.half_width, default=_UNTIMED)

    def judge(self, rounds: Rounds) -> StopDecision:
        """What the rule says of these samples after the time spent so far."""
        compiling = sum(sum(block) for row in samples_of(self.results, "compile_s") for block in row)
        return self.rule.judge(rounds, sum(result.seconds for result in self.results) - compiling)


def _one_round(runner: Runner, task: str, entrant: _Entrant, timeout_s: float, listen: Listener) -> Result:
    number = len(entrant.results) + 1

    def hear(_: Case, kind: str, event: dict[str, Json]) -> None:
        stage = {"stage": f"round {number}, {event['stage']}"} if kind == "progress" else {}
        listen(entrant.case, kind, {**event, **stage})

    (result,) = runner(task, [entrant.round_case()], timeout_s, hear)
    return result
