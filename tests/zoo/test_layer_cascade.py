from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.adaptive.decisions import Everything, Recorder, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Policy, parse_policy
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region
from segbench.learning.objective import Segmentation
from segbench.meters.operations import count_operations
from segbench.zoo import Moment, layer_cascade
from segbench.zoo.layer_cascade import LayerCascade
from segbench.zoo.region_blocks import blocks_at, head_at
from segbench.zoo.residual import BasicBlock, Bottleneck

SMALL: dict[str, Any] = {"depth": 18, "output_stride": 4, "widths": (4, 4, 6, 6), "stem": 4, "head_width": 5}
IMAGES = torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 3, (2, 16, 12), generator=torch.Generator().manual_seed(2))
MASK = torch.rand(2, 8, 6, generator=torch.Generator().manual_seed(3)) < 0.3


def awake(network: nn.Module) -> nn.Module:
    """In `eval`, with norms that do something."""
    generator = torch.Generator().manual_seed(4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features, generator=generator)
            nn.init.uniform_(module.bias, -0.5, 0.5, generator=generator)
    return network.eval()


def network() -> LayerCascade:
    torch.manual_seed(0)
    made = awake(LayerCascade(3, **SMALL))
    assert isinstance(made, LayerCascade)
    return made


def dense(net: LayerCascade, stage: int) -> Tensor:
    """Scores of a stage in which nothing has left."""
    with torch.no_grad():
        maps = net.body.stem(IMAGES)
        for blocks in list(net.body.stages)[: stage + 1]:
            maps = blocks(maps)
        scores: Tensor = net.heads[stage - 1](maps)
    return scores


@pytest.mark.parametrize(
    ("policy", "stage"),
    [(parse_policy("confidence>0"), 1), (Everything(2), 2), (Everything(), 3), (parse_policy("confidence>1"), 3)],
)
def test_at_the_extremes_it_is_the_dense_network_bit_for_bit(policy: Policy, stage: int) -> None:
    net = network()
    answer = infer(net, IMAGES, policy)
    assert answer.stages == (stage, stage)
    assert torch.equal(answer.scores, dense(net, stage))


@pytest.mark.parametrize(
    ("block", "kept"),
    [(BasicBlock(4, 4, 1, 2), True), (Bottleneck(4, 1), True), (BasicBlock(4, 6), False), (Bottleneck(4, 2), False)],
)
def test_gathered_and_masked_blocks_agree(block: nn.Module, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, maps = awake(nn.Sequential(block)), torch.rand(2, 4, 8, 6)
    assert isinstance(blocks, nn.Sequential)
    with torch.no_grad():
        gathered = blocks_at(blocks, maps, Region(MASK))
        monkeypatch.setattr(Region, "is_gathered", False)
        masked = blocks_at(blocks, maps, Region(MASK))
    assert torch.allclose(gathered, masked, atol=1e-6)
    outside = gathered.permute(0, 2, 3, 1)[~MASK]
    assert torch.equal(outside, maps.permute(0, 2, 3, 1)[~MASK] if kept else torch.zeros_like(outside))


def test_a_block_at_one_pixel_by_hand() -> None:
    """Kernels of ones on a map of ones: 4 pixels of the corner, of which the second convolution sees its own alone."""
    block = BasicBlock(1, 1).eval()
    for layer in (block.body[0], block.body[3]):
        nn.init.ones_(layer.weight)
    for layer in (block.body[1], block.body[4]):
        layer.eps = 0.0
    mask = torch.zeros(1, 3, 3, dtype=torch.bool)
    mask[0, 0, 0] = True
    with torch.no_grad():
        found = blocks_at(nn.Sequential(block).eval(), torch.ones(1, 1, 3, 3), Region(mask))
    assert found.flatten().tolist() == [5.0, *[1.0] * 8]


def test_heads_agree_and_carry_over_what_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    head = awake(nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 3, 1)))
    assert isinstance(head, nn.Sequential)
    maps, carried = torch.rand(2, 4, 8, 6), torch.rand(2, 3, 8, 6)
    with torch.no_grad():
        gathered = head_at(head, maps, Region(MASK), carried)
        monkeypatch.setattr(Region, "is_gathered", False)
        masked = head_at(head, maps, Region(MASK), carried)
    assert torch.allclose(gathered, masked, atol=1e-6)
    assert torch.equal(gathered.permute(0, 2, 3, 1)[~MASK], carried.permute(0, 2, 3, 1)[~MASK])


def mixed() -> Replayed:
    """Of the first image 14 pixels go on after stage one and 6 of them after stage two; the second leaves at once."""
    first, second = torch.zeros(8, 6, dtype=torch.bool), torch.zeros(8, 6, dtype=torch.bool)
    first[2:4] = True
    first[6, :2] = True
    second[3] = True
    second[0, 0] = True  # which has left before
    return Replayed("mixed", [(first, second), (torch.zeros_like(first),)])


def test_multiply_adds_are_those_of_the_pixels_that_go_on() -> None:
    net = network()
    start = count_operations(net, lambda: net.advanced(1, IMAGES, None)).total_macs
    first_head = 2 * 48 * 5 * (9 * 4 + 3)
    second = 14 * (4 * 9 * 6 + 3 * 9 * 6 * 6 + 4 * 6)  # four convolutions and a projection
    second_head = 14 * 5 * (9 * 6 + 3)
    third = 6 * 4 * 9 * 6 * 6
    third_head = 6 * 5 * (9 * 6 + 3)
    by_hand = start + first_head + second + second_head + third + third_head
    assert count_operations(net, lambda: infer(net, IMAGES, mixed())).total_macs == by_hand


def test_pixels_keep_the_scores_they_left_with() -> None:
    net, recorder = network(), Recorder(2)
    answer = infer(net, IMAGES, mixed(), recorder)
    assert answer.stages == (3, 1)
    first, second = dense(net, 1), infer(net, IMAGES, Replayed("two", [own[:1] for own in recorder.decisions])).scores
    went_on = mixed().decisions[0][0]
    assert torch.equal(answer.scores[1], first[1])
    assert torch.equal(answer.scores[0][:, ~went_on], first[0][:, ~went_on])
    left_second = went_on.clone()
    left_second[3] = False
    assert torch.equal(answer.scores[0][:, left_second], second[0][:, left_second])
    assert not torch.isclose(answer.scores[0][:, 3], second[0][:, 3]).all()


def test_images_do_not_see_each_other() -> None:
    net, decisions = network(), [(MASK[image], MASK[image]) for image in range(2)]
    together = infer(net, IMAGES, Replayed("own", decisions)).scores
    for image in range(2):
        alone = infer(net, IMAGES[image : image + 1], Replayed("own", decisions[image : image + 1])).scores
        assert torch.allclose(together[image], alone[0], atol=1e-6)


def trained(progress: float, sure_of: Tensor | None = None) -> LayerCascade:
    """After one backward pass; sure of class 0 at the first exit where an image's pixels are so."""
    net = network()
    if sure_of is not None:
        nn.init.zeros_(net.heads[0][3].weight)
        net.heads[0][3].bias = nn.Parameter(sure_of)
    Segmentation(net, PixelLoss())(IMAGES, LABELS, Moment(0.5, progress)).backward()
    return net


@pytest.mark.parametrize(
    ("progress", "sure", "third"),
    [(0.0, [9.0, 0, 0], True), (0.9, [0.0, 0, 0], True), (0.9, [9.0, 0, 0], False)],
    ids=["first all pixels reach all exits", "later the unsure ones", "and sure ones do not"],
)
def test_pixels_leave_in_the_later_part_of_the_training(progress: float, sure: list[float], third: bool) -> None:
    net = trained(progress, torch.tensor(sure))
    assert net.body.stem[0].weight.grad is not None
    assert (net.heads[2][3].weight.grad is not None) == third


def test_where_some_pixels_leave_all_weights_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network().train()
    with torch.no_grad():
        sure = net.scores(1, net.advanced(1, IMAGES, None), None, None).softmax(1).amax(1)
    monkeypatch.setattr(layer_cascade, "_LEAVES_ABOVE", float(sure.quantile(0.8)))
    net = trained(0.9)
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_the_loss_of_an_exit_is_over_the_pixels_that_reach_it() -> None:
    """The first exit is made sure of one image, so the second exit's loss is that of the other."""
    net, only = network(), torch.zeros(2, 8, 6, dtype=torch.bool)
    only[1] = True
    maps = net.advanced(1, IMAGES, None)
    first = net.scores(1, maps, None, None)
    region = Region(only)
    second = net.scores(2, net.advanced(2, maps, region), region, first)
    assert torch.equal(second[0], first[0])
    assert torch.allclose(second[1], dense(net, 2)[1], atol=1e-5)


def test_stages_of_several_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="output stride 16; choose 4 or 8"):
        LayerCascade(3, output_stride=16)
