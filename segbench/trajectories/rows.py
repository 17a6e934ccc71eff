"""What was found, as measurements: one set of rows for every end, and one for every stopping rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median

import numpy as np
from numpy.typing import NDArray

from segbench.evaluation.confusion import mean_iou
from segbench.records.case import Json
from segbench.records.measurement import Measurement
from segbench.statistics.resampling import Resampling, interval
from segbench.trajectories.costs import Effort
from segbench.trajectories.early_exit_trial import Trial
from segbench.trajectories.early_exit_verdict import EarlyExitVerdict
from segbench.trajectories.subject import End
from segbench.trajectories.sweep import Sweep

_INTERVAL = "95 %, bootstrap over images"
_ONE_PROCESS = "in one process, every image once, beside the whole solve"
"""How a rule is timed: where each image stops is part of what it does, so that the set is run through, not repeated."""


def accuracy_rows(sweep: Sweep, method: str, extra: Mapping[End, Mapping[str, Json]]) -> Iterator[Measurement]:
    """Scores of every end.

    Args:
        sweep: what was counted.
        method: how the network ran.
        extra: further detail of an end's `miou`: pictures.
    """
    resampling = Resampling(len(sweep.names))
    whole = sweep.of(sweep.reference)
    best, best_draws = float(mean_iou(whole.sum(0))), mean_iou(resampling.sums(whole))
    for place, end in enumerate(sweep.ends):
        matrices, factors = sweep.matrices[place], factors_of(end)
        value, draws = float(mean_iou(matrices.sum(0))), mean_iou(resampling.sums(matrices))
        low, high = interval(draws)
        drop_low, drop_high = interval(best_draws - draws)
        detail = {"knob": end.knob, "images": len(sweep.names), "interval": _INTERVAL, **extra.get(end, {})}
        paired = {"knob": end.knob, "interval": f"{_INTERVAL}, paired"}
        images = mean_iou(matrices)
        yield _score("miou", value, low, high, method, factors, detail)
        yield _score("miou_error", 1 - value, 1 - high, 1 - low, method, factors)
        yield _score("miou_drop", best - value, drop_low, drop_high, method, factors, paired)
        yield _score("miou_image_mean", float(np.nanmean(images)), *interval(resampling.mean(images)), method, factors)
        changed = sweep.changed[place]
        yield _score("pixels_changed", float(changed.mean()), *interval(resampling.mean(changed)), method, factors)


def count_rows(found: Effort, at: End, batch: int) -> Iterator[Measurement]:
    """What one end costs an image, as counted.

    Args:
        batch: images at once, for the factors of the timed row beside which these are read.
    """
    counts = {
        "macs": found.macs,
        "nfe_forward": found.evaluations,
        "solver_accepted_steps": found.accepted,
        "solver_rejected_steps": found.rejected,
    }
    factors = {**factors_of(at), "batch_size": batch}
    blocks = {"by_block": list(found.by_block)} if len(found.by_block) > 1 else {}
    for name, count in counts.items():
        if count is not None:
            detail = {"knob": at.knob, **(blocks if name == "nfe_forward" else {})}
            yield Measurement(name, count, "counted", "infer", factors=factors, detail=detail)


def speed_row(at: End, speeds: Sequence[float] | str, method: str) -> Measurement:
    """|f| / |h| there, the mean over some images; or the reason why it cannot be told."""
    factors = factors_of(at)
    if isinstance(speeds, str):
        return Measurement("state_speed", None, method, cause=speeds, factors=factors)
    return Measurement("state_speed", float(np.mean(speeds)), method, factors=factors, detail={"images": len(speeds)})


def rule_rows(
    name: str,
    trial: Trial,
    verdict: EarlyExitVerdict,
    grid: Sequence[Effort],
    readout_macs: int,
    method: str,
    factors: Mapping[str, Json],
) -> Iterator[Measurement]:
    """What a stopping rule buys and costs; `t_end` holds its name.

    Args:
        grid: the effort of ending after 0, 1, 2, ... steps; the last is the whole solve.
        readout_macs: of one read-out that the rule made.
        factors: `steps` of the whole solve, `batch_size`.
    """
    factors = {"t_end": name, **factors}
    macs = np.array([grid[step].macs for step in trial.steps], np.float64) + readout_macs * trial.observations
    against = {control: asdict(difference) for control, difference in verdict.against.items()}
    stops = np.bincount(trial.steps, minlength=len(grid)).tolist()
    detail = {"rule": name, "against": against, "gains": verdict.gains, "stops": stops, "interval": _INTERVAL}
    yield _score("miou", verdict.miou, verdict.low, verdict.high, method, factors, detail)
    yield _distribution("nfe_forward", trial.evaluations(grid), grid[-1].evaluations, "counted", factors)
    yield _distribution("macs", macs, grid[-1].macs, "counted", factors)
    yield Measurement(
        "latency_s",
        median(trial.seconds),
        method,
        "infer",
        samples=tuple(trial.seconds.tolist()),
        factors=factors,
        detail={
            **_percentiles(trial.seconds),
            "saved": 1 - float(trial.seconds.sum() / trial.whole_seconds.sum()),
            "timed": _ONE_PROCESS,
        },
    )


def factors_of(end: End) -> dict[str, Json]:
    """The columns that tell one end from another."""
    return {"t_end": end.time, "steps": end.steps}


def _score(
    name: str,
    value: float,
    low: float,
    high: float,
    method: str,
    factors: Mapping[str, Json],
    detail: Mapping[str, Json] | None = None,
) -> Measurement:
    return Measurement(
        name, value, method, spread_low=low, spread_high=high, factors=factors, detail=detail or {"interval": _INTERVAL}
    )


def _distribution(
    name: str, values: NDArray[np.float64], whole: float | None, method: str, factors: Mapping[str, Json]
) -> Measurement:
    """The mean of a cost that differs from image to image; half of it and the worst case in the detail."""
    saved = None if not whole else 1 - float(values.mean()) / whole
    detail = {"value": "mean over images", **_percentiles(values), "saved": saved}
    return Measurement(name, float(values.mean()), method, "infer", factors=factors, detail=detail)


def _percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    half, most, worst = np.percentile(values, (50, 95, 100))
    return {"p50": float(half), "p95": float(most), "worst": float(worst)}
