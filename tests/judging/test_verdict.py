"""Methods made of numbers: four kinds of images, of which a good method knows the hard ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from segbench.evaluation.confusion import Matrices
from segbench.evaluation.paired import Priced
from segbench.judging.survey import Observed, Shifted, Survey
from segbench.judging.verdict import FIXED, FIXED_IN_TIME, PERMUTED, cheapest_within, judge_method, shift_effect

IMAGES = 40
HARD = np.arange(IMAGES) // 2 % 2 == 1


@dataclass
class Known(Observed):
    """What is known beforehand: the share of right pixels and the operations of each image."""

    right: Sequence[float] = ()
    spent: Sequence[float] = ()
    stages: list[int] = field(default_factory=lambda: [1] * IMAGES)

    @property
    def matrices(self) -> Matrices:
        return np.array([[[100 * share, 100 * (1 - share)], [0, 100]] for share in self.right])

    @property
    def macs(self) -> NDArray[np.float64]:
        return np.array(self.spent, np.float64)


def known(easy: float, hard: float, cost_easy: float, cost_hard: float) -> Known:
    return Known(right=np.where(HARD, hard, easy).tolist(), spent=np.where(HARD, cost_hard, cost_easy).tolist())


def dealt(way: Known) -> Priced:
    return Priced(way.matrices, way.macs)


def survey(**policies: Known) -> Survey:
    """Stage 1 misses what is hard; stages 2 and 3 do not, and cost about ten times as much."""
    fixed = [known(0.9, 0.5, 1, 1), known(0.9, 0.9, 9, 9), known(0.9, 0.9, 10, 10)]
    return Survey("image", list(fixed), policies, sizes=[(8, 8)] * IMAGES)


GOOD = known(0.9, 0.9, 1, 10)
CHANCE = Known(right=[0.9, 0.9, 0.9, 0.5] * 10, spent=[1, 10, 10, 1] * 10)
"""A good method, and its operations spent on images by chance."""

QUICK = {"stage=1": np.full(IMAGES, 0.1), "stage=2": np.full(IMAGES, 0.9), "stage=3": np.full(IMAGES, 1.0)}


@pytest.mark.parametrize(
    ("own", "permuted", "seconds", "kind"),
    [
        (GOOD, CHANCE, {**QUICK, "own": np.where(HARD, 1.0, 0.1)}, "time"),
        (GOOD, CHANCE, {**QUICK, "own": np.where(HARD, 1.2, 1.1)}, "operations"),
        (GOOD, CHANCE, {**QUICK, "stage=2": np.full(IMAGES, 0.2), "own": np.full(IMAGES, 0.5)}, "operations"),
        (GOOD, CHANCE, {}, "operations"),
        (GOOD, GOOD, {**QUICK, "own": np.where(HARD, 1.0, 0.1)}, "nothing"),
        (known(0.9, 0.89, 9.8, 9.8), CHANCE, {**QUICK, "own": np.full(IMAGES, 0.1)}, "nothing"),
        (known(0.9, 0.5, 1, 1), CHANCE, {}, "nothing"),
        (known(0.9, 0.9, 10, 11), CHANCE, {}, "nothing"),
    ],
    ids=[
        "saves time",
        "slower than the whole",
        "a fixed exit is as fast",
        "not timed",
        "other images' decisions do as well",
        "a fixed exit does as well",
        "too inaccurate",
        "too dear",
    ],
)
def test_a_verdict_needs_every_control(
    own: Known, permuted: Known, seconds: dict[str, NDArray[np.float64]], kind: str
) -> None:
    assert judge_method(survey(own=own), seconds, lambda _: [dealt(permuted)]).kind == kind


def test_a_verdict_rests_on_the_images_on_which_the_threshold_was_not_chosen() -> None:
    found = judge_method(survey(own=GOOD), {**QUICK, "own": np.where(HARD, 1.0, 0.1)}, lambda _: [dealt(CHANCE)])
    assert (found.policy, found.images) == ("own", IMAGES // 2)
    assert found.macs_saved is not None and found.macs_saved.value == pytest.approx(0.45)
    assert found.against is not None and set(found.against) == {FIXED, FIXED_IN_TIME, PERMUTED}
    assert found.drop is not None and found.drop.value == 0


def test_the_cheapest_threshold_within_a_point_is_chosen() -> None:
    found = survey(near=known(0.9, 0.89, 1, 9), own=GOOD, far=known(0.9, 0.5, 1, 1))
    assert cheapest_within(found, np.arange(IMAGES)) == "near"


def test_a_shift_counts_beyond_what_it_changes_without_skipping() -> None:
    moved = survey(own=GOOD)
    moved.shifted = Shifted(*every(0.9, 0.8)), Shifted(*every(0.95, 0.88))
    effect = shift_effect(moved)
    lost = moved_score(0.8) - moved_score(0.9), moved_score(0.88) - moved_score(0.95)
    assert effect is not None and effect.value == pytest.approx(lost[0] - lost[1])
    assert shift_effect(survey(own=GOOD)) is None


def every(*shares: float) -> list[Known]:
    return [known(share, share, 1, 1) for share in shares]


def moved_score(share: float) -> float:
    """Mean IoU of two classes, of which the first loses 1 - share to the second."""
    return (share + 1 / (2 - share)) / 2
