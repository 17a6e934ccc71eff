from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.adaptive.decisions import Everything, Recorder, Replayed
from segbench.adaptive.inference import infer
from segbench.adaptive.policies import Policy, parse_policy
from segbench.errors import UserError
from segbench.layers.pixel_loss import PixelLoss
from segbench.layers.region_conv import Region
from segbench.learning.objective import Segmentation
from segbench.meters.operations import count_operations
from segbench.zoo import Moment
from segbench.zoo.segnode_points import Points, SegNodePoints, _drawn, _labels_at

COARSE: dict[str, Any] = {"widths": (8, 8, 8, 8), "stem": 4, "modules": 1, "blocks": 1, "steps": 2}
IMAGES = torch.rand(2, 3, 36, 28, generator=torch.Generator().manual_seed(1))
SIZE = (18, 14)
LABELS = torch.randint(0, 3, (2, *SIZE), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
MASK = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(3)) < 0.3
NOW = Moment(0.5, 0.5)


def network(**arguments: Any) -> SegNodePoints:
    torch.manual_seed(0)
    return SegNodePoints(3, coarse_arguments=COARSE, **{"state": 6, "hidden": 10, "stem": 4, **arguments}).eval()


def dense(net: SegNodePoints, stage: int) -> Tensor:
    """Scores of an exit that all pixels reach."""
    with torch.no_grad():
        return list(net.exits(IMAGES.contiguous(memory_format=torch.channels_last)))[stage - 1]


def rows_at(mask: Tensor, scores: Tensor) -> Tensor:
    return scores.permute(0, 2, 3, 1)[mask]


@pytest.mark.parametrize(
    ("policy", "stage"),
    [(parse_policy("confidence>0"), 1), (Everything(2), 2), (Everything(), 3), (parse_policy("confidence>1"), 3)],
)
def test_at_the_extremes_it_is_the_dense_network_bit_for_bit(policy: Policy, stage: int) -> None:
    net = network()
    answer = infer(net, IMAGES, policy)
    assert answer.stages == (stage, stage)
    assert answer.scores.is_contiguous(memory_format=torch.channels_last), "whose largest scores are found faster"
    assert torch.equal(answer.scores, dense(net, stage))


def test_an_euler_step_of_a_pixel_by_hand() -> None:
    """z = (1, 3) is (-1, 1) when normalised; with c = (4, -5) it is (3, -4), of which (3, 0) remain; g = 3 in both."""
    net, mask = network(state=2, hidden=2), torch.ones(1, 1, 1, dtype=torch.bool)
    net.field.enter.weight.data, net.field.leave.weight.data = torch.eye(2), torch.ones(2, 2)
    torch.nn.init.zeros_(net.field.leave.bias)
    point = Points(mask, torch.tensor([[1.0, 3.0]]), torch.tensor([[4.0, -5.0]]))
    assert torch.allclose(net.stepped(point).states, torch.tensor([[2.5, 4.5]]), atol=1e-3)


def mixed() -> Replayed:
    """Of the first image 14 pixels go on after stage one and 6 of them after stage two; the second leaves at once."""
    first, second = torch.zeros(SIZE, dtype=torch.bool), torch.zeros(SIZE, dtype=torch.bool)
    first[2] = True
    second[2, :6] = True
    second[0, 0] = True  # which has left before
    return Replayed("mixed", [(first, second), (torch.zeros_like(first),)])


def test_multiply_adds_are_those_of_the_pixels_that_go_on() -> None:
    net = network()
    coarse = 2 * count_operations(net, lambda: infer(net, IMAGES[:1], Everything(1))).total_macs
    around = 63 * 9 * (8 * 4 + 4 * 4)  # on maps of 9x7, of the image that goes on
    look, step = 12 * 10, 6 * 10 + 10 * 6 + 6 * 3
    by_hand = coarse + around + 14 * (look + step) + 6 * step
    assert count_operations(net, lambda: infer(net, IMAGES, mixed())).total_macs == by_hand


def test_a_pixel_that_goes_on_is_what_it_is_in_the_dense_network_and_keeps_what_it_left_with() -> None:
    net, recorder = network(), Recorder(2)
    answer = infer(net, IMAGES, mixed(), recorder)
    assert answer.stages == (3, 1)
    reached = torch.zeros(2, *SIZE, dtype=torch.long)
    for stage in range(2):
        reached[0] += recorder.decisions[0][stage] & (reached[0] == stage)
    assert reached[0].flatten().bincount().tolist() == [238, 8, 6]
    for stage in range(3):
        own, wanted = (
            scores.permute(0, 2, 3, 1)[reached == stage] for scores in (answer.scores, dense(net, stage + 1))
        )
        assert torch.allclose(own, wanted, atol=1e-6)


def test_images_do_not_see_each_other() -> None:
    net, decisions = network(), [(MASK[0], MASK[1]), (MASK[1], MASK[1])]
    together = infer(net, IMAGES, Replayed("own", decisions)).scores
    for image in range(2):
        alone = infer(net, IMAGES[image : image + 1], Replayed("own", decisions[image : image + 1])).scores
        assert torch.allclose(together[image], alone[0], atol=1e-6)


def test_an_image_may_end_between_the_steps() -> None:
    net, none = network(), torch.zeros(SIZE, dtype=torch.bool)
    answer = infer(net, IMAGES, Replayed("own", [(MASK[0], none), (MASK[1], MASK[1])]))
    assert answer.stages == (2, 3)
    assert torch.allclose(
        answer.scores[1].permute(1, 2, 0)[MASK[1]], dense(net, 3)[1].permute(1, 2, 0)[MASK[1]], atol=1e-6
    )


def test_the_coarse_answer_is_read_before_the_state_is_sampled() -> None:
    """A linear layer commutes with bilinear sampling: read afterwards, it is the same."""
    net = network()
    with torch.no_grad():
        maps = net.stem(IMAGES)
        points = net.points(maps, net.start(maps), Region(torch.ones(2, *SIZE, dtype=torch.bool)))
        assert torch.allclose(net.scores(points), dense(net, 1), atol=1e-6)


def test_it_trains_by_the_mean_of_the_exits_losses_the_later_ones_weighing_more() -> None:
    net, loss = network(drawn=1.0), PixelLoss(torch.tensor([1.0, 2.0, 3.0]))
    losses = [number * loss.total(dense(net, number), LABELS) for number in (1, 2, 3)]
    assert torch.allclose(net.supervise(IMAGES, LABELS, loss, NOW), torch.stack(losses).sum() / 6, rtol=1e-5)


def test_equally_many_pixels_of_every_image_are_drawn_anew() -> None:
    first, second = (_drawn(3, SIZE, 0.3, torch.device("cpu")) for _ in range(2))
    assert first.mask.flatten(1).sum(1).tolist() == [76, 76, 76]  # of 18 x 14 = 252
    assert torch.equal(first.active, first.mask.flatten().nonzero()[:, 0])
    assert not torch.equal(first.mask, second.mask)


def test_drawn_pixels_stand_for_all_labelled_ones() -> None:
    """All labels are equal and all pixels have the scores of a bias, so that any draw has the same mean."""
    net, loss = network(drawn=0.5), PixelLoss(torch.tensor([1.0, 2.0, 3.0]))
    torch.nn.init.zeros_(net.readout.weight)
    labels = torch.full_like(LABELS, 1).where(MASK, 255)
    some = net.supervise(IMAGES, labels, loss, NOW)
    assert torch.allclose(some, loss.total(dense(net, 3), labels), rtol=1e-5)
    net.drawn = 1.0
    assert torch.allclose(some, net.supervise(IMAGES, labels, loss, NOW), rtol=1e-5)


def test_where_nothing_is_labelled_nothing_is_learnt_and_nothing_spoilt() -> None:
    net = network().train()
    Segmentation(net, PixelLoss())(IMAGES, torch.full_like(LABELS, 255), NOW).backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in net.parameters())


def test_it_learns() -> None:
    net = network().train()
    optimizer, losses = torch.optim.Adam(net.parameters(), 0.01), list[float]()
    for _ in range(30):
        loss = net.supervise(IMAGES, LABELS.clamp_max(1), PixelLoss(), NOW)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_hrnet_may_be_the_coarse_network() -> None:
    body = {"widths": (4, 6, 8, 10), "modules": (1, 1, 1), "blocks": 1, "stem": 4, "stage1_width": 2}
    net = SegNodePoints(3, "segbench.zoo.hrnet:HRNetV2", body, state=6, hidden=10, stem=4).eval()
    assert infer(net, IMAGES, mixed()).scores.shape == (2, 3, *SIZE)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"drawn": 0.0}])
def test_nothing_to_do_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="at least one step"):
        network(**wrong)


def test_labels_of_a_larger_map_favour_no_pixel_under_a_position() -> None:
    columns = torch.arange(28).expand(1, 36, 28)
    torch.manual_seed(0)
    mean = torch.stack([_labels_at(columns, SIZE) for _ in range(400)]).double().mean((0, 1, 2))
    assert torch.allclose(mean, 2 * torch.arange(14.0).double() + 0.5, atol=0.1)


def test_labels_of_the_same_size_are_taken_as_they_are() -> None:
    assert torch.equal(_labels_at(LABELS, SIZE), LABELS)


@pytest.mark.parametrize("drawn", [0, 1.5])
def test_a_share_of_the_pixels_is_drawn(drawn: float) -> None:
    with pytest.raises(UserError, match=f"drawn {drawn}; .* a share up to 1"):
        network(drawn=drawn)
