"""Makes one measurement of those of several rounds: all samples, an interval over rounds, and what explains them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from segbench.cells.cell import Result
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.statistics.intervals import Rounds, estimate_median, percentiles
from segbench.statistics.stability import Circumstances, advise
from segbench.statistics.stopping import StopDecision


def merge_rounds(case: Case, results: Sequence[Result], headline: str, verdict: StopDecision, session: str) -> Result:
    """One result of all rounds; a round that failed gives its outcome, and what the others measured stays.

    Args:
        case: as the command planned it.
        results: one a round, in order, at least one.
        headline: the quantity that the verdict is about and that is explained.
        session: names the rounds, so that `compare` can pair them with those of a rival.
    """
    last = results[-1]
    names = dict.fromkeys((item.quantity, item.mode) for result in results for item in result.measurements)
    merged = [row for name, mode in names for row in _rows(_items(results, name, mode), session)]
    return replace(
        last,
        case=case,
        cause=f"round {len(results)}: {last.cause}" if last.cause and len(results) > 1 else last.cause,
        environment=_environment(results),
        measurements=tuple(
            _explained(item, results, verdict) if item.quantity == headline and item.value is not None else item
            for item in merged
        ),
        seconds=sum(result.seconds for result in results),
    )


def rounds_of(results: Sequence[Result], name: str) -> list[tuple[float, ...]]:
    """The quantity's samples in every round that has them."""
    return [_samples(item) for item in _items(results, name) if item.value is not None]


def _items(results: Sequence[Result], name: str, mode: str | None = None) -> list[Measurement]:
    found = [item for result in results for item in result.measurements if item.quantity == name]
    return [item for item in found if mode is None or item.mode == mode]


def _samples(item: Measurement) -> tuple[float, ...]:
    assert item.value is not None
    return item.samples or (float(item.value),)


_TAILS = {"latency_s": {"p90": "latency_p90_s", "p99": "latency_p99_s"}}
"""Quantities that are told with their percentiles -> the quantities these are."""


def _rows(items: list[Measurement], session: str) -> Iterator[Measurement]:
    """The quantity over all rounds, and its percentiles where they are quantities of their own."""
    whole = _merged(items, session)
    yield whole
    if whole.value is None:
        return
    rounds = [_samples(item) for item in items if item.value is not None]
    for name, tail in _TAILS.get(whole.quantity, {}).items():
        yield _percentile(whole, tail, name, rounds)


def _percentile(whole: Measurement, quantity_name: str, name: str, rounds: Rounds) -> Measurement:
    """Over all samples; its own samples are those of each round, which is what `compare` resamples."""
    value = percentiles(rounds)[name]
    return replace(
        whole,
        quantity=quantity_name,
        value=value,
        samples=tuple(float(np.percentile(samples, float(name.removeprefix("p")))) for samples in rounds),
        warmup=(),
        spread_low=None,
        spread_high=None,
        cause=None if value is not None else f"{len(whole.samples)} samples are too few for {name}: raise --min-runs",
        detail={"rounds": [1] * len(rounds), "session": whole.detail["session"]},
    )


def _merged(items: list[Measurement], session: str) -> Measurement:
    """All rounds of one quantity; one that is counted, or known in no round, is the same in each."""
    known = [item for item in items if item.value is not None]
    if not known or known[0].method == "counted":
        return (known or items)[0]
    rounds = [_samples(item) for item in known]
    detail: dict[str, Json] = {"rounds": [len(samples) for samples in rounds], "session": session}
    found = replace(
        known[0],
        samples=tuple(value for samples in rounds for value in samples),
        warmup=tuple(value for item in known for value in item.warmup),
        detail=detail,
    )
    if min(found.samples) <= 0:  # a logarithm knows no zero: no interval
        return replace(found, value=median(found.samples))
    estimate = estimate_median(rounds)
    return replace(found, value=estimate.value, spread_low=estimate.low, spread_high=estimate.high)


def _explained(item: Measurement, results: Sequence[Result], verdict: StopDecision) -> Measurement:
    """With the reason why measuring stopped, what looks wrong, and what every round saw."""
    sources = [source for source in _items(results, item.quantity, item.mode) if source.value is not None]
    rounds: Rounds = [_samples(source) for source in sources]
    details = [source.detail for source in sources]
    explanation: dict[str, Json] = {
        "half_width": verdict.half_width if math.isfinite(verdict.half_width) else None,
        "reached": verdict.reached,
        "why": verdict.why,
        "advice": [str(advice) for advice in advise(rounds, _circumstances(details))],
        "by_round": [dict(detail) for detail in details],
    }
    return replace(item, detail={**item.detail, **explanation})


def _circumstances(details: Sequence[Json]) -> Circumstances:
    reasons = {reason for detail in details for reason in detail.get("throttled_by", ())}
    return Circumstances(
        unsteady=sum(not detail.get("steady", True) for detail in details),
        others_cores=tuple(detail["others_cores"] for detail in details if "others_cores" in detail),
        throttled=sum(len(detail.get("throttled", ())) for detail in details),
        throttled_by=tuple(sorted(reasons)),
    )


def _environment(results: Sequence[Result]) -> Environment | None:
    """The first round's, with the notes of all."""
    found = [result.environment for result in results if result.environment]
    notes = dict.fromkeys(note for item in found for note in item.notes)
    return replace(found[0], notes=tuple(notes)) if found else None
