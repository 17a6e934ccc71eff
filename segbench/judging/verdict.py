"""What a method's decisions earn, in one of three words.

1. The threshold is chosen on every second image, the first among them: the cheapest in operations of those whose mIoU
   is at most one point below the whole network's. It is judged on the other images.
2. `nothing`: there is no such threshold that saves operations, or the method is not better than both controls: the same
   network stopped at fixed stages at the same mean number of operations (between two stages a straight line), and its
   own decisions dealt to other images. Better means that the paired bootstrap interval (95 %, over images) of the
   difference in mIoU lies above zero.
3. `time`: it is, and it saves time against the whole network at batch 1, and it is better than fixed stages at the same
   mean time as well, each with its interval.
4. `operations`: anything else; among it methods that are only simulated on the device, which have no time.

A few images give no verdict: an interval of a bootstrap over two images says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from segbench.evaluation.confusion import Floats, mean_iou
from segbench.evaluation.paired import (
    Difference,
    Priced,
    against_curve,
    against_draws,
    difference,
    saving,
)
from segbench.judging.survey import Observed, Survey
from segbench.statistics.resampling import Resampling, interval

Saves = Literal["time", "operations", "nothing"]

MIOU_TOLERANCE = 0.01
"""Of mIoU: what a threshold may lose on the images on which it is chosen (one point is our choice)."""

LEAST_JUDGED = 8
"""Images on which a verdict rests at least (our choice)."""

FIXED, FIXED_IN_TIME, PERMUTED = "fixed exits", "fixed exits in time", "permuted"
"""Controls."""

Seconds = Mapping[str, Floats]
"""An image at batch 1, by the name of the policy or fixed stage."""


@dataclass(frozen=True)
class MethodVerdict:
    """A method judged on the images on which its threshold was not chosen.

    Attributes:
        kind: what is saved.
        policy: at the chosen threshold; None where no threshold keeps within the tolerance and saves operations.
        drop: mIoU of the whole network minus its own.
        against: control -> difference in mIoU.
        macs_saved, time_saved: share of the whole network's; no time where there is none to report.
        images: judged on.
    """

    kind: Saves
    policy: str | None
    images: int
    drop: Difference | None = None
    against: Mapping[str, Difference] | None = None
    macs_saved: Difference | None = None
    time_saved: Difference | None = None


def why_no_verdict(survey: Survey) -> str | None:
    """The reason where there are too few images to judge on."""
    judged = len(survey.sizes) // 2
    if judged >= LEAST_JUDGED:
        return None
    return (
        f"no verdict: it would rest on {judged} of {len(survey.sizes)} images, every second one, and needs"
        f" {LEAST_JUDGED}; give --images {2 * LEAST_JUDGED} or more, or a larger split"
    )


def judge_method(survey: Survey, seconds: Seconds, permuted: Callable[[str], Sequence[Priced]]) -> MethodVerdict:
    """The verdict on a method.

    Args:
        survey: all images, enough of them (`why_no_verdict`).
        seconds: of the policies and the fixed stages; empty where nothing is timed.
        permuted: each draw of the control, of a policy.
    """
    images = np.arange(len(survey.sizes))
    chosen_on, judged_on = images[::2], images[1::2]
    policy = cheapest_within(survey, chosen_on)
    if policy is None:
        return MethodVerdict("nothing", None, len(judged_on))
    own, whole = survey.policies[policy], survey.whole
    mine, controls = own.matrices[judged_on], [draw.matrices[judged_on] for draw in permuted(policy)]
    drop = difference(whole.matrices[judged_on], mine)
    against = {
        FIXED: _against_fixed(survey, own, {}, policy, judged_on),
        PERMUTED: against_draws(mine, controls),
    }
    saved = saving(own.macs[judged_on], whole.macs[judged_on])
    found = MethodVerdict("nothing", policy, len(judged_on), drop, against, saved)
    if seconds:
        against[FIXED_IN_TIME] = _against_fixed(survey, own, seconds, policy, judged_on)
        found = replace(found, time_saved=saving(seconds[policy][judged_on], seconds[whole_name(survey)][judged_on]))
    return replace(found, kind=_kind(found))


def cheapest_within(survey: Survey, images: np.ndarray) -> str | None:
    """The cheapest threshold within the tolerance on these images; None where none saves operations."""
    least = mean_iou(survey.whole.matrices[images].sum(0)) - MIOU_TOLERANCE
    costs = {
        name: float(own.macs[images].mean())
        for name, own in survey.policies.items()
        if mean_iou(own.matrices[images].sum(0)) >= least
    }
    found = min(costs, key=costs.__getitem__, default=None)
    return found if found is not None and costs[found] < survey.whole.macs[images].mean() else None


def shift_effect(survey: Survey) -> Difference | None:
    """What a shift by half a cell changes in mIoU under the network's own policy, beyond what it changes in full.

    Returns:
        None for units without a grid.
    """
    mine, whole = survey.shifted
    if not mine.moved.stages:
        return None
    parts = [way.matrices for way in (mine.moved, whole.moved, mine.plain, whole.plain)]
    draws = Resampling(len(survey.sizes))
    scores = [mean_iou(np.concatenate([part.sum(0)[None], draws.sums(part)])) for part in parts]
    effect = (scores[0] - scores[1]) - (scores[2] - scores[3])
    return Difference(float(effect[0]), *interval(effect[1:]))


def whole_name(survey: Survey) -> str:
    """The whole network, as a fixed stage."""
    return stage_name(len(survey.fixed))


def stage_name(stage: int) -> str:
    """Of the network stopped there, as `Everything` is called."""
    return f"stage={stage}"


def _against_fixed(survey: Survey, own: Observed, seconds: Seconds, policy: str, images: np.ndarray) -> Difference:
    def priced(observed: Observed, name: str) -> Priced:
        costs = seconds[name] if seconds else observed.macs
        return Priced(observed.matrices[images], costs[images])

    curve = [priced(observed, stage_name(stage)) for stage, observed in enumerate(survey.fixed, 1)]
    return against_curve(priced(own, policy), curve)


def _kind(found: MethodVerdict) -> Saves:
    assert found.against is not None and found.macs_saved is not None
    if not (found.macs_saved.is_gain and found.against[FIXED].is_gain and found.against[PERMUTED].is_gain):
        return "nothing"
    in_time = found.against.get(FIXED_IN_TIME)
    fast = found.time_saved is not None and found.time_saved.is_gain and in_time is not None and in_time.is_gain
    return "time" if fast else "operations"
