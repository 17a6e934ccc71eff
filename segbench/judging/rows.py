"""What was found, as measurements: of every policy and control, of every stage's confidence, and of the verdict.

The factor `policy` tells the ways to run the network apart; `detail["kind"]` of its `miou` says what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np

from segbench.evaluation.confusion import Floats, mean_iou
from segbench.evaluation.paired import Difference, Priced, saving
from segbench.judging.survey import ORACLE, Observed, Survey
from segbench.judging.timing import TimedWay
from segbench.judging.verdict import MethodVerdict, stage_name
from segbench.records.case import Json
from segbench.records.measurement import Measurement
from segbench.statistics.resampling import Resampling, interval

_Way = Literal["policy", "fixed", "oracle"]
Extra = Mapping[str, Mapping[str, Json]]

INTERVAL = "95 %, bootstrap over images"
_DIGITS = 9
"""No clock here ticks finer than a nanosecond, and a ledger holds every sample."""


def fixed_rows(survey: Survey, method: str, extra: Extra) -> Iterator[Measurement]:
    """Of the network stopped at each stage: accuracy, operations, and how well its confidence is calibrated.

    Args:
        survey: of all images.
        method: how the network ran.
        extra: further detail of a `miou`, by name.
    """
    for stage, (found, reliability) in enumerate(zip(survey.fixed, survey.calibration, strict=True), 1):
        name = stage_name(stage)
        yield from _way_rows("fixed", name, found, survey.whole, method, extra)
        error = None if np.isnan(reliability.error) else reliability.error
        cause = None if error is not None else "no pixel has a label"
        yield Measurement("calibration_error", error, method, cause=cause, factors={"policy": name})


def policy_rows(survey: Survey, method: str, extra: Extra) -> Iterator[Measurement]:
    """Of the network under every policy, and under the oracle where there is one."""
    for name, found in survey.policies.items():
        yield from _way_rows("policy", name, found, survey.whole, method, extra)
    if survey.oracle.stages:
        yield from _way_rows("oracle", ORACLE, survey.oracle, survey.whole, method, extra)


def permuted_rows(policy: str, draws: Sequence[Priced], survey: Survey, method: str) -> Iterator[Measurement]:
    """Of a policy's decisions dealt to other images."""
    name, costs = f"permuted {policy}", np.stack([draw.costs for draw in draws])
    scores = np.array([mean_iou(draw.matrices.sum(0)) for draw in draws])
    detail = {"kind": "permuted", "of": policy, "draws": len(draws), "interval": "95 % of the draws"}
    yield _miou(name, float(scores.mean()), interval(scores), method, detail)
    yield _macs(name, costs.ravel(), saving(costs.mean(0), survey.whole.macs))


def _way_rows(
    kind: _Way, name: str, found: Observed, whole: Observed, method: str, extra: Extra
) -> Iterator[Measurement]:
    matrices = found.matrices
    ends = interval(mean_iou(Resampling(len(matrices)).sums(matrices)))
    stages = {str(stage): found.stages.count(stage) for stage in sorted(set(found.stages))}
    detail = {"kind": kind, "images": len(matrices), "interval": INTERVAL, "stages": stages, **extra.get(name, {})}
    yield _miou(name, float(mean_iou(matrices.sum(0))), ends, method, detail)
    yield _macs(name, found.macs, saving(found.macs, whole.macs))


def time_row(name: str, own: TimedWay, whole: TimedWay, batch: int, method: str) -> Measurement:
    """Seconds an image; every sample is a batch of the data set."""
    saved = saving(own.total, whole.total)
    return Measurement(
        "latency_s",
        float(np.median(own.seconds)),
        method,
        "infer",
        samples=tuple(np.round(own.seconds, _DIGITS).tolist()),
        factors={"policy": name, "batch_size": batch},
        detail={"mean": own.mean, **_percentiles(own.seconds), "saved": asdict(saved)},
    )


def no_time_row(cause: str, method: str) -> Measurement:
    """Of a method that cannot skip what it decides to skip, or that was not to be timed."""
    return Measurement("latency_s", None, method, "infer", cause=cause)


def verdict_rows(verdict: MethodVerdict, simulated: str | None, method: str) -> Iterator[Measurement]:
    """The verdict: its word in the detail of `macs_saved`, beside what it rests on."""
    against = {name: asdict(item) for name, item in (verdict.against or {}).items()}
    detail: dict[str, Json] = {
        "verdict": verdict.kind,
        "images": verdict.images,
        "against": against,
        "simulated": simulated,
        "interval": f"{INTERVAL}, paired",
    }
    nothing = Difference(0.0, 0.0, 0.0)
    yield _of_verdict("macs_saved", verdict.macs_saved or nothing, verdict, "counted", detail)
    if verdict.drop is not None:
        yield _of_verdict("miou_drop", verdict.drop, verdict, method, {"images": verdict.images})
    if verdict.time_saved is not None:
        yield _of_verdict("time_saved", verdict.time_saved, verdict, method, {"images": verdict.images})


def no_verdict_row(cause: str) -> Measurement:
    """Of a network that was asked about too few images."""
    return Measurement("macs_saved", None, "counted", cause=cause)


def shift_row(name: str, effect: Difference, method: str) -> Measurement:
    """What half a cell of shift changes under the network's own policy, beyond what it changes without skipping."""
    detail = {"kind": "shifted by half a block or region, where both have pixels", "interval": f"{INTERVAL}, paired"}
    return Measurement(
        "miou_difference", effect.value, method, spread_low=effect.low, spread_high=effect.high,
        factors={"policy": name}, detail=detail,
    )  # fmt: skip


def _of_verdict(
    quantity: str, found: Difference, verdict: MethodVerdict, method: str, detail: Mapping[str, Json]
) -> Measurement:
    factors = {"policy": verdict.policy}
    return Measurement(
        quantity, found.value, method, spread_low=found.low, spread_high=found.high, factors=factors, detail=detail
    )


def _miou(name: str, value: float, ends: tuple[float, float], method: str, detail: Mapping[str, Json]) -> Measurement:
    return Measurement(
        "miou", value, method, spread_low=ends[0], spread_high=ends[1], factors={"policy": name}, detail=detail
    )


def _macs(name: str, macs: Floats, saved: Difference) -> Measurement:
    detail = {"value": "mean over images", **_percentiles(macs), "saved": asdict(saved)}
    return Measurement("macs", float(macs.mean()), "counted", "infer", factors={"policy": name}, detail=detail)


def _percentiles(values: Floats) -> dict[str, float]:
    half, most, worst = np.percentile(values, (50, 95, 100))
    return {"p50": float(half), "p95": float(most), "worst": float(worst)}
