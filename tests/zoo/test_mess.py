from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.adaptive.decisions import Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Policy, parse_policy
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.objective import Segmentation
from segbench.meters.operations import count_operations
from segbench.zoo import Moment
from segbench.zoo.blocks import resize
from segbench.zoo.mess import MESS, filtered_divergence

SMALL: dict[str, Any] = {
    "widths": (4, 8, 16, 32),
    "modules": (1, 2, 1),
    "blocks": 1,
    "stem": 8,
    "stage1_width": 4,
    "stage1_blocks": 1,
    "points": (1, 3),
    "head_width": 4,
}
IMAGES = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 3, (2, 16, 24), generator=torch.Generator().manual_seed(2))
FIRST_HEAD = 8 * 12 * (16 * 4 + 9 * 4 * 4 + 4 * 3)
SECOND_HEAD = 8 * 12 * (28 * 4 + 9 * 4 * 4 + 4 * 3)
"""Multiply-accumulates of 1x1, 3x3 and 1x1 convolutions, by hand: of stage one's 16 channels, of 4 + 8 + 16."""


def network() -> MESS:
    torch.manual_seed(0)
    return MESS(3, **SMALL).eval()


def macs(net: MESS, images: Tensor, policy: Policy) -> int:
    return count_operations(net, lambda: infer(net, images, policy)).total_macs


def test_an_image_that_stays_to_the_end_is_answered_by_the_body_as_it_is() -> None:
    net = network()
    with torch.no_grad():
        dense = net.backbone(IMAGES)
    for policy in (Everything(), parse_policy("confidence>1"), parse_policy("share>1")):
        answer = infer(net, IMAGES, policy)
        assert answer.stages == (3, 3)
        assert torch.equal(resize(answer.scores, (32, 48)), dense)


def test_at_a_threshold_of_0_all_leave_at_the_first_exit() -> None:
    net = network()
    with torch.no_grad():
        first = net.scores(1, net.advanced(1, (IMAGES,)))
    answer = infer(net, IMAGES, parse_policy("confidence>0"))
    assert answer.stages == (1, 1)
    assert torch.equal(answer.scores, first)


def test_an_image_that_has_left_is_not_computed() -> None:
    net = network()
    end, go = torch.tensor(False), torch.tensor(True)
    policy = Replayed("mixed", [(end,), (go, go)])
    mixed = infer(net, IMAGES, policy)
    assert mixed.stages == (1, 3)
    for image, own in enumerate((Everything(1), Everything())):
        assert torch.allclose(mixed.scores[image], infer(net, IMAGES[image : image + 1], own).scores[0], atol=1e-6)
    alone = macs(net, IMAGES[:1], Everything(1)) + macs(net, IMAGES[1:], Everything())
    assert macs(net, IMAGES, policy) == alone + FIRST_HEAD  # an exit is read for all images that reach it


def test_exits_on_the_way_cost_their_heads_only() -> None:
    net = network()
    alone, judged = (macs(net, IMAGES[:1], policy) for policy in (Everything(), parse_policy("share>1")))
    assert judged - alone == FIRST_HEAD + SECOND_HEAD


def gradients_of(progress: float, draw: float = 0.0) -> tuple[MESS, set[str]]:
    """Names of the parts that learn."""
    net = network()
    Segmentation(net, PixelLoss())(IMAGES, LABELS, Moment(draw, progress)).backward()
    return net, {name.split(".weight")[0] for name, value in net.named_parameters() if value.grad is not None}


@pytest.mark.parametrize(("draw", "trained", "resting"), [(0.0, "0", "1"), (0.99, "1", "0")])
def test_the_body_learns_with_its_end_and_one_drawn_exit(draw: float, trained: str, resting: str) -> None:
    _, learning = gradients_of(0.5, draw)
    assert {f"exits.{trained}.classifier", "backbone.head.layers.3", "backbone.front.stem.0"} <= learning
    assert not any(name.startswith(f"exits.{resting}") for name in learning)


def test_then_the_heads_learn_and_the_body_rests() -> None:
    net, learning = gradients_of(0.9)
    assert {"exits.0.classifier", "exits.1.classifier"} <= learning
    assert not any(name.startswith("backbone") for name in learning)
    assert all(
        torch.equal(value, dict(network().named_buffers())[name])
        for name, value in net.backbone.named_buffers("backbone")
    )


def test_only_pixels_that_the_teacher_gets_right_are_distilled() -> None:
    """Of three pixels it is right at the first, wrong at the second, and the third has no label."""
    teacher = torch.tensor([[3.0, 3.0, 3.0], [1.0, 1.0, 1.0]]).log().view(1, 2, 1, 3)
    targets = torch.tensor([[[0, 1, 255]]])
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    found = filtered_divergence(torch.zeros(1, 2, 1, 3), teacher, targets)
    assert float(found) == pytest.approx(by_hand / 2)
    assert float(filtered_divergence(teacher, teacher, targets)) == pytest.approx(0, abs=1e-6)
