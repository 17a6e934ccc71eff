"""Makes one measurement of those of several rounds: all samples, an interval over rounds, and what explains them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from segbench.cells.cell import Result
from segbench.records.case import Case, Json
from segbench.records.environment import Environment
from segbench.records.measurement import Measurement
from segbench.statistics.intervals import RoundSamples, estimate_median, percentile_by_round, percentiles
from segbench.statistics.stopping import StopDecision

Judge = Callable[[RoundSamples], StopDecision]
"""What the stop rule says of the samples of one quantity, by round."""


def merge_rounds(case: Case, results: Sequence[Result], headline: str, judge: Judge, session: str) -> Result:
    """One result of all rounds; a round that failed gives its outcome, and what the others measured stays.

    Args:
        case: as the command planned it.
        results: one a round, in order, at least one.
        headline: the quantity that is judged and explained, in each of its rows where it has several.
        judge: the stop rule.
        session: names the rounds, so that `compare` can pair them with those of a rival.
    """
    last = results[-1]
    return replace(
        last,
        case=case,
        cause=f"round {len(results)}: {last.cause}" if last.cause and len(results) > 1 else last.cause,
        environment=first_environment(results),
        measurements=tuple(row for items in _by_row(results) for row in _rows(items, headline, judge, session)),
        seconds=sum(result.seconds for result in results),
    )


def samples_of(results: Sequence[Result], name: str) -> list[list[tuple[float, ...]]]:
    """For each row of the quantity (one, but for tasks that measure it along a factor) its samples in every round."""
    rows = [items for items in _by_row(results) if items[0].quantity == name]
    found = [[_samples(item) for item in items if item.value is not None] for items in rows]
    return [rounds for rounds in found if rounds]


def first_environment(results: Sequence[Result]) -> Environment | None:
    """The first result's, with the notes of all."""
    found = [result.environment for result in results if result.environment]
    notes = dict.fromkeys(note for item in found for note in item.notes)
    return replace(found[0], notes=tuple(notes)) if found else None


def _by_row(results: Sequence[Result]) -> list[list[Measurement]]:
    """What the rounds say about the same thing: one quantity in one mode and with one set of factors."""
    rows: dict[tuple[str, str | None, str], list[Measurement]] = {}
    for item in (item for result in results for item in result.measurements):
        factors = json.dumps(item.factors, sort_keys=True)
        rows.setdefault((item.quantity, item.mode, factors), []).append(item)
    return list(rows.values())


def _samples(item: Measurement) -> tuple[float, ...]:
    assert item.value is not None
    return item.samples or (float(item.value),)


_TAILS = {"latency_s": {"p90": "latency_p90_s", "p99": "latency_p99_s"}}
"""Quantities that are told with their percentiles -> the quantities these are."""


def _rows(items: Sequence[Measurement], headline: str, judge: Judge, session: str) -> Iterator[Measurement]:
    """One row over all rounds, and its percentiles where they are quantities of their own."""
    whole = _merged(items, session)
    if whole.value is None:
        yield whole
        return
    known = [item for item in items if item.value is not None]
    yield _explained(whole, known, judge) if whole.quantity == headline else whole
    if "t_end" in whole.factors:  # a point of a curve is told by its median
        return
    rounds = [_samples(item) for item in known]
    for name, tail in _TAILS.get(whole.quantity, {}).items():
        yield _percentile(whole, tail, name, rounds)


def _percentile(whole: Measurement, quantity_name: str, name: str, rounds: RoundSamples) -> Measurement:
    """Over all samples; its own samples are those of each round, which is what `compare` resamples."""
    value = percentiles(rounds)[name]
    return replace(
        whole,
        quantity=quantity_name,
        value=value,
        samples=percentile_by_round(rounds, name),
        warmup=(),
        spread_low=None,
        spread_high=None,
        cause=None if value is not None else f"{len(whole.samples)} samples are too few for {name}: raise --min-runs",
        detail={"rounds": [1] * len(rounds), "session": whole.detail["session"]},
    )


def _merged(items: Sequence[Measurement], session: str) -> Measurement:
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


def _explained(whole: Measurement, items: Sequence[Measurement], judge: Judge) -> Measurement:
    """With the reason why measuring stopped, what looks wrong, and what every round saw."""
    rounds: RoundSamples = [_samples(item) for item in items]
    details, verdict = [item.detail for item in items], judge(rounds)
    explanation: dict[str, Json] = {
        "half_width": verdict.half_width if math.isfinite(verdict.half_width) else None,
        "reached": verdict.reached,
        "why": verdict.why,
        "advice": _advice(rounds, details),
        "by_round": [dict(detail) for detail in details],
    }
    return replace(whole, detail={**whole.detail, **explanation})


def _advice(rounds: RoundSamples, details: Sequence[Mapping[str, Json]]) -> list[str]:
    """What looks wrong with the samples, and what the rounds saw of the machine."""
    from segbench.statistics.stability import Circumstances, advise  # numpy, for which `--help` need not wait

    seen = Circumstances(
        unsteady=sum(not detail.get("steady", True) for detail in details),
        others_cores=tuple(detail["others_cores"] for detail in details if "others_cores" in detail),
        throttled=sum(len(detail.get("throttled", ())) for detail in details),
        throttled_by=tuple(sorted({reason for detail in details for reason in detail.get("throttled_by", ())})),
    )
    return [str(advice) for advice in advise(rounds, seen)]
