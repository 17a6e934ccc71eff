"""How a number of ours stands to a published one: five verdicts with fixed tolerances, and the order of networks.

The rules, for a cell of a table in which every network also has its ratio to a reference (HRNetV2):

    reproduced       parameters within 0.5 %; a ratio to the reference within 10 %; an mIoU within 0.5 points
    same direction   on the same side of the reference, and the ratios within a factor of 2 of each other
    contradicted     neither
    not comparable   hardware, pretraining or data differ so that no verdict would mean anything
    missing          there is no number of ours, or none was published

Costs are judged by their ratio because the hardware differs; the absolute value is shown beside it, never judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Verdict = Literal["reproduced", "same direction", "contradicted", "not comparable", "missing"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "same direction", "contradicted", "not comparable", "missing")

ToleranceRule = Literal["parameters", "ratio", "accuracy"]
"""By which tolerance a cell counts as reproduced."""

PARAMETERS_WITHIN = 0.005
RATIO_WITHIN = 0.10
ACCURACY_WITHIN = 0.005
DIRECTION_WITHIN = 2.0
_SLACK = 1e-9
"""A number on a tolerance's very edge is within it, whatever the last bit of the division says."""

FEWEST_RANKED = 3
"""Two networks have an order, but one swap would turn tau from 1 to -1; our inference."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and the one sentence that gives its ground."""

    verdict: Verdict
    why: str


@dataclass(frozen=True)
class OursAndPaper:
    """A number of ours beside a published one, in one unit, and the reference's numbers on both sides.

    Attributes:
        ours, paper: None where there is none.
        our_reference, paper_reference: the reference's numbers, from the same source as each.
    """

    ours: float | None
    paper: float | None
    our_reference: float | None = None
    paper_reference: float | None = None

    @property
    def our_ratio(self) -> float | None:
        return _ratio(self.ours, self.our_reference)

    @property
    def paper_ratio(self) -> float | None:
        return _ratio(self.paper, self.paper_reference)


def judge(
    rule: ToleranceRule, pair: OursAndPaper, obstacle: str | None = None, absence: str = "not measured"
) -> Judgement:
    """The verdict on one cell.

    Args:
        rule: what counts as reproduced.
        pair: the numbers; for `accuracy` fractions, 0..1.
        obstacle: why the two cannot be compared, if they cannot.
        absence: why there is no number of ours, used where there is none.
    """
    if pair.paper is None:
        return Judgement("missing", "nothing was published")
    if pair.ours is None:
        return Judgement("missing", absence)
    if obstacle is not None:
        return Judgement("not comparable", obstacle)
    if rule == "parameters" and pair.paper and abs(pair.ours / pair.paper - 1) <= PARAMETERS_WITHIN + _SLACK:
        return Judgement("reproduced", f"{100 * (pair.ours / pair.paper - 1):+.2f} %, within 0.5 %")
    if rule == "accuracy" and abs(pair.ours - pair.paper) <= ACCURACY_WITHIN + _SLACK:
        return Judgement("reproduced", f"{100 * (pair.ours - pair.paper):+.2f} points, within 0.5")
    return _judge_ratios(pair.our_ratio, pair.paper_ratio, reproducible=rule == "ratio")


def _judge_ratios(ours: float | None, paper: float | None, reproducible: bool) -> Judgement:
    if ours is None or paper is None or paper <= 0:
        return Judgement("missing", "the reference's number is missing, so there is no ratio to judge")
    sentence = f"{ours:.2f} of the reference against {paper:.2f}"
    if reproducible and abs(ours / paper - 1) <= RATIO_WITHIN + _SLACK:
        return Judgement("reproduced", f"{sentence}: within 10 %")
    apart = max(ours / paper, paper / ours) if ours > 0 else float("inf")
    if (ours - 1) * (paper - 1) <= 0:
        return Judgement("contradicted", f"{sentence}: not on the same side of it")
    if apart > DIRECTION_WITHIN + _SLACK:
        return Judgement("contradicted", f"{sentence}: the same side, but a factor of {apart:.1f} apart")
    return Judgement("same direction", f"{sentence}: the same side, a factor of {apart:.2f} apart")


@dataclass(frozen=True)
class Ordering:
    """Whether networks come in the published order.

    Attributes:
        tau: Kendall's tau-b, which allows for ties; None where it is not defined.
        ranked: how many networks have both numbers.
        swapped: pairs of networks that stand the other way round.
    """

    judgement: Judgement
    tau: float | None
    ranked: int
    swapped: tuple[tuple[str, str], ...] = ()


def judge_order(ours: Mapping[str, float | None], paper: Mapping[str, float | None]) -> Ordering:
    """Compares the order of the networks that both sides know.

    Reproduced if no pair is swapped, same direction if tau is positive, else contradicted (our inference; the sample is
    a handful of networks, so no significance is claimed).
    """
    names = [name for name in paper if paper[name] is not None and ours.get(name) is not None]
    if len(names) < FEWEST_RANKED:
        why = f"only {len(names)} networks have both numbers; an order needs {FEWEST_RANKED}"
        return Ordering(Judgement("missing", why), None, len(names))
    mine, theirs = [float(ours[name] or 0) for name in names], [float(paper[name] or 0) for name in names]
    swapped = tuple(
        (names[i], names[j])
        for i, j in combinations(range(len(names)), 2)
        if (mine[i] - mine[j]) * (theirs[i] - theirs[j]) < 0
    )
    tau = _kendall(mine, theirs)
    if tau is None:
        return Ordering(Judgement("missing", "all networks tie on one side"), None, len(names), swapped)
    verdict: Verdict = "reproduced" if not swapped else "same direction" if tau > 0 else "contradicted"
    which = ", ".join(f"{first} and {second}" for first, second in swapped)
    why = f"tau {tau:+.2f} over {len(names)} networks" + (f"; the other way round: {which}" if swapped else "")
    return Ordering(Judgement(verdict, why), tau, len(names), swapped)


def _kendall(ours: list[float], paper: list[float]) -> float | None:
    from scipy.stats import kendalltau

    if len(set(ours)) == 1 or len(set(paper)) == 1:
        return None
    return float(kendalltau(ours, paper).statistic)


def _ratio(value: float | None, to: float | None) -> float | None:
    return None if value is None or not to else value / to
