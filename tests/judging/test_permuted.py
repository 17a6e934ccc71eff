from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segbench.adaptive.policies import parse_policy
from segbench.evaluation.confusion import mean_iou
from segbench.judging.permuted import DRAWS, FREE_DRAWS, donors, permuted_by_inference, permuted_stages
from segbench.judging.survey import Surveyor
from tests.judging.conftest import Exits, Plainly

if TYPE_CHECKING:
    from tests.judging.conftest import Scenes


def test_everyone_gets_the_decisions_of_another_image_of_its_size() -> None:
    sizes = [(4, 4), (8, 8), (4, 4), (8, 8), (4, 4), (2, 2)]
    for draw in range(5):
        found = donors(sizes, draw)
        assert sorted(found) == list(range(6)) and found[5] == 5, "the last is alone"
        assert all(sizes[donor] == size for donor, size in zip(found, sizes, strict=True))
        assert all(donor != image for image, donor in enumerate(found[:5]))


def test_whole_images_are_dealt_without_inference_and_the_same_by_inference(scenes: Scenes) -> None:
    network, pipeline, policy = Exits("image").eval(), Plainly(), parse_policy("confidence>0.9")
    shown: Any = pipeline
    survey = Surveyor(network, shown, [policy], None).survey(scenes, lambda *_: None)
    free = permuted_stages(survey, policy.name)
    asked = permuted_by_inference(network, scenes, shown, survey.policies[policy.name], survey.sizes, lambda _: None)
    assert (len(free), len(asked)) == (FREE_DRAWS, DRAWS)
    assert all(np.array_equal(one, other) for one, other in zip(free, asked, strict=False))
    own = mean_iou(survey.policies[policy.name].matrices.sum(0))
    assert all(mean_iou(draw.sum(0)) < own for draw in free), "a hard image always meets the easy one's early stop"
