"""Searches on a real device: every size is tried in a fresh process, so that no try disturbs the next.

The parent holds no CUDA context: it starts children and reads what they measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from segbench.cells.cell import Listener, Result, RunCase
from segbench.cells.jobs import Job
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.records.options import Assumptions
from segbench.search.axes import SearchAxis, axis_of
from segbench.search.bracket import LARGEST_PROBED, Bracket, Expectation, Outcome, ProbeAnswer, find_bracket
from segbench.units import GIB, MIB

_VERDICTS: dict[str, ProbeAnswer] = {
    "ok": "fits",
    "does_not_fit": "does_not_fit",
    "timed_out": "timed_out",
    "crashed": "crashed",
    "unsupported": "unsupported",
}


@dataclass(frozen=True)
class Search:
    """The search of one case: of one mode, with a budget, its task `max_batch` or `max_input`, on CUDA."""

    case: Case
    alone: bool = True

    @property
    def cases(self) -> tuple[Case, ...]:
        return (self.case,)

    def run(self, run_case: RunCase, timeout_s: float, listen: Listener) -> Iterator[Result]:
        """The largest size that fits and the one that does not, each tried in a process of its own."""
        yield _Search(self.case, axis_of(self.case), timeout_s, listen, run_case).result()


def search_jobs(cases: Sequence[Case]) -> list[Job]:
    """One search a case."""
    return [Search(case) for case in cases]


_UNPROVEN = "not proven: what the process holds outside the allocator changed from try to try, so more may fit"
_SMALLEST_SEGMENT = 2 * MIB
"""What the caching allocator reserves is a multiple of it (`kSmallBuffer`)."""


@dataclass(frozen=True)
class _Refusal:
    """A try that did not fit.

    Attributes:
        context: the bytes that were taken off the budget.
        by_allocator: it ran out of memory; otherwise it ran, and the process held more than the budget.
    """

    context: int
    by_allocator: bool


@dataclass
class _Search:
    """One case's search.

    Attributes:
        context: bytes of the process outside the allocator; assumed until a try has measured it.
        refusals: of the sizes that did not fit at their last try.
    """

    case: Case
    axis: SearchAxis
    timeout_s: float
    listen: Listener
    run_case: RunCase
    context: int = 0
    last: Result | None = None
    environment: Environment | None = None
    parameters: list[Measurement] = field(default_factory=list)
    refusals: dict[int, _Refusal] = field(default_factory=dict)

    def result(self) -> Result:
        started = time.monotonic()
        self.context = self.case.options_as(Assumptions).context_bytes
        found = find_bracket(self.probe, self._expectation(), LARGEST_PROBED, self.doubts)
        unanswered = found.unanswered
        outcome = "ok" if unanswered is None else unanswered.outcome.verdict
        cause = None if unanswered is None else f"{self.axis.unit} {unanswered.size}: {unanswered.outcome.cause}"
        return Result(
            case=self.case,
            outcome=outcome,
            cause=cause,
            environment=self.environment,
            measurements=(*self.parameters, *self._rows(found, outcome, cause)),
            seconds=time.monotonic() - started,
            user_error=self.last is not None and self.last.user_error,
            stderr=self.last.stderr if self.last is not None else "",
        )

    def probe(self, size: int) -> Outcome:
        """Tries a size in a fresh process under the budget."""
        context = self.context
        case = self.axis.at(size).with_options(context_bytes=context)
        self.listen(self.case, "progress", {"stage": f"{self.axis.unit} {size}", "done": 0, "total": 0})
        result = self.run_case(case, self.timeout_s, lambda *_: None)
        self.last = result
        self.environment = self.environment or result.environment
        outcome = self._outcome(result)
        if outcome.verdict == "does_not_fit":
            self.refusals[size] = _Refusal(context, by_allocator=result.outcome == "does_not_fit")
        return outcome

    def doubts(self, size: int) -> bool:
        """Whether a refused size might fit under the context that is known now.

        A context assumed too large left the allocator less than the budget has for it. One assumed too small let the
        process grow beyond the budget, where the allocator might have done with less: by releasing its cache.
        """
        refusal = self.refusals[size]
        then, now = self._limit(refusal.context), self._limit(self.context)
        return now > then if refusal.by_allocator else now < then

    def _limit(self, context: int) -> int:
        """Segments of the smallest kind that the allocator may hold: less than one more or less changes nothing."""
        return ((self.case.budget_bytes or 0) - context) // _SMALLEST_SEGMENT

    def _outcome(self, result: Result) -> Outcome:
        verdict = _VERDICTS.get(result.outcome, "failed")
        if verdict != "fits":
            return Outcome(verdict, cause=result.cause)
        self.parameters = [item for item in result.measurements if item.quantity == "parameters"]
        process = self._process_bytes(result)
        budget = self.case.budget_bytes
        if budget is not None and process is not None and process > budget:
            cause = f"the process held {process / GIB:.2f} GiB, context included, of {budget / GIB:.2f} GiB"
            return Outcome("does_not_fit", bytes=process, cause=cause)
        return Outcome("fits", bytes=process, retries=self._retries(result))

    def _process_bytes(self, result: Result) -> int | None:
        """What the try held in all; learns the context from it where NVML tells the process."""
        mode = self.case.modes[0]
        reserved = _value(result, f"{mode}_peak_reserved_bytes")
        process = _value(result, f"{mode}_peak_process_bytes")
        if reserved is not None and process is not None:
            self.context = max(0, process - reserved)
        return process if process is not None else None if reserved is None else reserved + self.context

    def _retries(self, result: Result) -> int:
        name = f"{self.case.modes[0]}_peak_reserved_bytes"
        found = next((item for item in result.measurements if item.quantity == name), None)
        return int(found.detail.get("allocator_retries", 0)) if found else 0

    def _expectation(self) -> Expectation | None:
        """Where to begin, from a prediction; None where there is none, and the search gallops."""
        case = replace(self.case, device="none")
        result = self.run_case(case, self.timeout_s, lambda *_: None)
        answer = next((item for item in result.measurements if item.quantity == self.axis.answer), None)
        if answer is None:
            return None
        (low, low_bytes), (high, high_bytes) = answer.detail["line"]
        each = (high_bytes - low_bytes) / (high - low)
        return Expectation(
            start=self.axis.size_of(answer.value or 1),
            bytes=lambda size: max(1.0, low_bytes + each * (self.axis.amount(size) - low)),
            budget=self.case.budget_bytes,
        )

    def _rows(self, found: Bracket, outcome: str, cause: str | None) -> Iterator[Measurement]:
        detail = self._detail(found)
        mode = self.case.modes[0]
        fits = None if found.fits is None else self.axis.amount(found.fits)
        fails_at = None if found.fails_at is None else self.axis.amount(found.fails_at)
        nothing = found.fits is None and outcome == "ok"
        yield Measurement(
            self.axis.answer,
            fits,
            "measured:cuda",
            mode=mode,
            outcome="does_not_fit" if nothing else outcome,
            cause=self._needs(found) if nothing else cause,
            factors=self._factors(found.fits),
            detail=detail,
        )
        yield Measurement(
            self.axis.other,
            fails_at,
            "measured:cuda",
            mode=mode,
            outcome=outcome,
            cause=cause or (None if fails_at is not None else "everything up to the search's end fits"),
            factors=self._factors(found.fails_at),
            detail=detail,
        )

    def _factors(self, size: int | None) -> dict[str, Json]:
        if size is None:
            return {}
        case = self.axis.at(size)
        batch = case.batch_size if case.modes == ("train",) else case.infer_batch
        return {"batch_size": batch, "width": case.width, "height": case.height}

    def _needs(self, found: Bracket) -> str:
        refused = found.outcome_at(1)
        return f"1 does not fit: {refused.cause if refused else 'no reason given'}"

    def _detail(self, found: Bracket) -> dict[str, Json]:
        last = found.outcome_at(found.fits)
        return {
            "budget_bytes": self.case.budget_bytes,
            "context_bytes": self.context,
            "limited_by": "process",
            "used": {"process": last.bytes if last else None, "retries": last.retries if last else 0},
            "proof": "tried in fresh processes" if not found.doubted else _UNPROVEN,
            "tries": [
                {"size": item.size, "verdict": item.outcome.verdict, "bytes": item.outcome.bytes}
                for item in found.tries
            ],
        }


def _value(result: Result, name: str) -> int | None:
    found = next((item.value for item in result.measurements if item.quantity == name), None)
    return None if found is None else int(found)
