from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import torch

from segbench.adaptive.run import DecisionUnit
from segbench.errors import UserError
from segbench.judging.thresholds import SHARES, policies_of
from tests.judging.conftest import Exits, Plainly, scene

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes


def named(unit: DecisionUnit, asked: Sequence[str], scenes: Scenes) -> list[str]:
    images = [Plainly.inputs([scenes[number]]) for number in range(len(scenes))]
    return [policy.name for policy in policies_of(Exits(unit), asked, images)]


def test_without_a_word_the_own_policy_is_judged_between_the_numbers_it_meets(scenes: Scenes) -> None:
    found = named("image", [], scenes)
    assert "confidence>0.9" in found and len(found) >= 5
    limits = [float(name.partition(">")[2]) for name in found]
    assert limits == sorted(limits) and limits[0] > 0.73 and limits[-1] <= 0.9820


def test_confidences_that_are_close_together_are_told_apart() -> None:
    """Ten images between 0.97 and 0.98: every threshold lies among them."""
    images = [Plainly.inputs([scene(0)]) * (0.9 + number / 100) for number in range(10)]
    found = [policy.limit for policy in policies_of(Exits("image"), ["confidence"], images)]
    confidences = torch.sigmoid(4 * (0.9 + torch.arange(10) / 100))
    assert len(found) == len(SHARES) and all(-1e-4 < limit - confidences[0] < 0.0081 for limit in found)


def test_with_a_threshold_a_policy_stands_alone(scenes: Scenes) -> None:
    assert named("image", ["share>0.5", "entropy<0.3"], scenes) == ["entropy<0.3", "share>0.5"]


def test_signals_have_thresholds_of_any_size(scenes: Scenes) -> None:
    assert named("block", ["signal"], scenes)[-1] == "signal<0.98"


@pytest.mark.parametrize(
    ("unit", "asked", "sentence"),
    [
        ("image", "confidence>2", "a number from 0 to 1"),
        ("image", "patience<3", "is no policy"),
        ("image", "signal", "is not for Exits: the network has no policy of its own"),
        ("block", "confidence", "no scores before the last stage"),
    ],
)
def test_a_policy_of_another_method_is_refused(unit: DecisionUnit, asked: str, sentence: str, scenes: Scenes) -> None:
    with pytest.raises(UserError, match=sentence):
        named(unit, [asked], scenes)
