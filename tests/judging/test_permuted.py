from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from segbench.adaptive.policies import parse_policy
from segbench.evaluation.confusion import mean_iou
from segbench.judging.permuted import DRAWS, FREE_DRAWS, donors, permuted_by_inference, permuted_stages
from segbench.judging.survey import Surveyor
from tests.judging.conftest import Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes


def test_everyone_gets_the_decisions_of_another_image_of_its_size() -> None:
    sizes = [(4, 4), (8, 8), (4, 4), (8, 8), (4, 4), (8, 8), (8, 8), (8, 8), (8, 8), (2, 2)]
    for draw in range(5):
        found = donors(sizes, draw)
        assert sorted(found) == list(range(10)) and found[9] == 9, "the last is alone"
        assert all(sizes[donor] == size for donor, size in zip(found, sizes, strict=True))
        assert all(donor != image for image, donor in enumerate(found[:9]))


def test_what_is_judged_is_dealt_only_what_was_decided_on_images_that_are_judged() -> None:
    assert all((donors([(4, 4)] * 9, draw) % 2 == np.arange(9) % 2).all() for draw in range(5))


def test_whole_images_are_dealt_without_inference_and_the_same_by_inference(scenes: Scenes) -> None:
    network, pipeline, policy = Exits("image").eval(), Plainly(), parse_policy("confidence>0.9")
    shown: Any = pipeline
    survey = Surveyor(network, shown, [policy], None).survey(scenes, lambda *_: None)
    free = permuted_stages(survey, policy.name)
    asked = permuted_by_inference(
        network, scenes, shown, policy, survey.decisions[policy.name], survey.sizes, lambda _: None
    )
    assert (len(free), len(asked)) == (FREE_DRAWS, DRAWS)
    for one, other in zip(free, asked, strict=False):
        assert np.array_equal(one.matrices, other.matrices) and np.array_equal(one.costs, other.costs)
    own = survey.policies[policy.name]
    assert all(draw.costs[1::2].sum() == own.macs[1::2].sum() for draw in free), "each half spends what it spent"
    scores = [mean_iou(draw.matrices.sum(0)) for draw in free]
    assert max(scores) < mean_iou(own.matrices.sum(0)), "a hard image always meets the easy one's early stop"


def test_pixels_cost_by_inference_what_they_cost_the_donor_deciding_included(scenes: Scenes) -> None:
    network, shown, policy = Exits("pixel").eval(), cast("Any", Plainly()), parse_policy("confidence>0.9")
    survey = Surveyor(network, shown, [policy], None).survey(scenes, lambda *_: None)
    made = survey.decisions[policy.name]
    (first, *_) = permuted_by_inference(network, scenes, shown, policy, made, survey.sizes, lambda _: None)
    assert first.costs.tolist() == survey.policies[policy.name].macs[donors(survey.sizes, 0)].tolist()
