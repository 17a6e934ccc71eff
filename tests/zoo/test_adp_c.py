from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.adaptive.decisions import Everything, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Policy, parse_policy
from segbench.layers.interpolated_conv import InterpolatedConv2d
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region
from segbench.learning.objective import Segmentation
from segbench.meters.operations import count_operations
from segbench.zoo import Moment, adp_c
from segbench.zoo.adp_c import ADPC, PooledHead
from segbench.zoo.hrnet import HRNetV2

BODY: dict[str, Any] = {
    "widths": (4, 6, 8, 10),
    "modules": (1, 2, 1),
    "blocks": 1,
    "stem": 4,
    "stage1_width": 2,
    "stage1_blocks": 1,
}
IMAGES = torch.rand(2, 3, 36, 28, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 3, (2, 18, 14), generator=torch.Generator().manual_seed(2))
MASK = torch.rand(2, 9, 7, generator=torch.Generator().manual_seed(3)) < 0.3


def network() -> ADPC:
    torch.manual_seed(0)
    return ADPC(3, head_width=5, **BODY).eval()


def dense(net: ADPC, stage: int) -> Tensor:
    with torch.no_grad():
        streams: tuple[Tensor, ...] = (IMAGES,)
        for part in net.backbone.parts()[: net.bounds[stage]]:
            streams = part.run(streams)
        scores: Tensor = net.exits[stage - 1](streams) if stage < 4 else net.backbone.decode(streams, (9, 7))
    return scores


def test_the_body_is_hrnet() -> None:
    torch.manual_seed(0)
    plain = HRNetV2(3, **BODY).eval()
    with torch.no_grad():
        assert torch.equal(network().backbone(IMAGES), plain(IMAGES))


@pytest.mark.parametrize(
    ("policy", "stage"),
    [
        (parse_policy("confidence>0"), 1),
        (Everything(2), 2),
        (Everything(3), 3),
        (Everything(), 4),
        (parse_policy("confidence>1"), 4),
    ],
)
def test_at_the_extremes_it_is_the_dense_network_bit_for_bit(policy: Policy, stage: int) -> None:
    net = network()
    answer = infer(net, IMAGES, policy)
    assert answer.stages == (stage, stage)
    assert torch.equal(answer.scores, dense(net, stage))


def replayed(masks: Tensor = MASK) -> Replayed:
    return Replayed("chosen", [(own, own, own) for own in masks])


def test_skipping_and_masking_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    skipping = infer(net, IMAGES, replayed()).scores
    monkeypatch.setattr(Region, "is_gathered", False)
    masking = infer(net, IMAGES, replayed()).scores
    assert torch.allclose(skipping, masking, atol=1e-5)


def test_training_and_inference_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """With norms at rest, the exits that are trained give what inference at the same threshold ends with."""
    net = network()
    limit = float(dense(net, 1).softmax(1).amax(1).median())
    monkeypatch.setattr(adp_c, "_LEAVES_ABOVE", limit)
    with torch.no_grad():
        *_, last = net._trained(IMAGES, leaving=True)
    assert torch.allclose(last, infer(net, IMAGES, parse_policy(f"confidence>{limit!r}")).scores, atol=1e-5)


def test_pixels_keep_the_scores_they_left_with_and_images_do_not_see_each_other() -> None:
    net = network()
    together = infer(net, IMAGES, replayed()).scores
    assert torch.equal(together.permute(0, 2, 3, 1)[~MASK], dense(net, 1).permute(0, 2, 3, 1)[~MASK])
    for image in range(2):
        alone = infer(net, IMAGES[image : image + 1], replayed(MASK[image : image + 1])).scores
        assert torch.allclose(together[image], alone[0], atol=1e-5)


def test_an_image_whose_pixels_have_all_left_is_not_computed() -> None:
    net, masks = network(), MASK.clone()
    masks[0] = False
    answer = infer(net, IMAGES, replayed(masks))
    assert answer.stages == (1, 4)
    start = count_operations(net, lambda: infer(net, IMAGES[:1], Everything(1))).total_macs
    own = count_operations(net, lambda: infer(net, IMAGES[1:], replayed(masks[1:]))).total_macs
    assert count_operations(net, lambda: infer(net, IMAGES, replayed(masks))).total_macs == start + own


def test_multiply_adds_of_an_exit_by_hand() -> None:
    """The second exit pools 9x7 to 5x4 and 3x2. Two of 9 rows go on: of 5 rows two, and of 3 one."""
    net = network()
    mask = torch.zeros(1, 9, 7, dtype=torch.bool)
    mask[0, :2] = True
    streams = torch.rand(1, 4, 9, 7), torch.rand(1, 6, 5, 4)
    found = count_operations(net, lambda: net.scores(2, streams, Region(mask), torch.zeros(1, 3, 9, 7))).total_macs
    down, up, scores = 8 * 10 * 5 + 2 * 5 * 5, 8 * 5 * 5, 14 * 5 * 3
    interpolation = 49 * 5 * (20 + 6 + 20) + 49 * 3 * 63
    assert found == down + up + scores + interpolation


def test_the_head_after_stage_one_halves_three_times() -> None:
    head = PooledHead(8, 5, 3, 3)
    macs = count_operations(head, lambda: head((torch.rand(1, 8, 16, 16),))).total_macs
    assert macs == 64 * 8 * 5 + 16 * 25 + 4 * 25 + 16 * 25 + 64 * 25 + 256 * 15


def test_the_stem_stage_one_and_the_first_exit_do_not_interpolate() -> None:
    net = network()
    kinds = {
        name: isinstance(module, InterpolatedConv2d)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    plain = {name for name, interpolates in kinds.items() if not interpolates}
    assert plain == {
        name for name in kinds if name.startswith(("backbone.front.stem.", "backbone.front.stage1.", "exits.0."))
    }


@pytest.mark.parametrize(("progress", "interpolates"), [(0.0, False), (0.9, True)])
def test_pixels_leave_in_the_second_half_of_the_training(
    progress: float, interpolates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network()
    monkeypatch.setattr(adp_c, "_LEAVES_ABOVE", 0.4)
    Segmentation(net, PixelLoss())(IMAGES, LABELS, Moment(0.5, progress)).backward()
    learned = {name: weight.grad is not None for name, weight in net.named_parameters()}
    assert all(learns for name, learns in learned.items() if not name.endswith("sharpness"))
    assert any(learns for name, learns in learned.items() if name.endswith("sharpness")) == interpolates
