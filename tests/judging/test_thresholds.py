from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import torch

from segbench.adaptive.policies import Confidence, parse_policy
from segbench.adaptive.run import DecisionUnit, Run
from segbench.errors import UserError
from segbench.judging.thresholds import SHARES, policies_of
from tests.judging.conftest import Exits, ExitsRun, Plainly, scene

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


def test_thresholds_that_differ_have_names_that_differ() -> None:
    names = ("confidence>0.9999999", "confidence>1", "state<1e-07", "change<0.05")
    assert [parse_policy(name).name for name in names] == list(names)


def test_a_network_of_one_stage_decides_nothing(scenes: Scenes) -> None:
    network = Exits("image")
    network.stages = 1
    with pytest.raises(UserError, match="has one stage and decides nothing"):
        policies_of(network, [], [Plainly.inputs([scenes[0]])])


def test_a_curve_without_any_threshold_is_refused(monkeypatch: pytest.MonkeyPatch, scenes: Scenes) -> None:
    monkeypatch.setattr(Confidence, "of_pixels", lambda _, now, before: torch.full_like(now[:, 0], 3.0))
    with pytest.raises(UserError, match=r"no threshold from 0 to 1 here: what Exits shows lies between 3 and 3"):
        named("image", ["confidence"], scenes)
    assert named("image", ["confidence>0.5"], scenes) == ["confidence>0.5"]


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


def test_a_mistake_in_a_users_network_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch, scenes: Scenes) -> None:
    def mistaken(_: Run) -> torch.Tensor:
        raise IndexError("list index out of range")

    monkeypatch.setattr(ExitsRun, "_read", mistaken)
    with pytest.raises(IndexError):
        named("image", ["confidence"], scenes)
