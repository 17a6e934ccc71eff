"""Windows, mirrors and scales against answers that are known without a network."""

from __future__ import annotations

import pytest
import torch

from segbench.errors import UnknownName, UserError
from segbench.evaluation.inference import class_scores, resize_batch, swapped
from segbench.evaluation.protocol import PROTOCOLS, Protocol, protocol_named
from segbench.workload.images import normalise_images


def pointwise(inputs: torch.Tensor) -> torch.Tensor:
    """Three classes that look at one pixel only, so windows and mirrors must not change them."""
    return torch.stack([inputs[:, 0], inputs[:, 1] * 2, inputs.sum(1)], 1)


def pictures(height: int = 30, width: int = 40) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_one_scale_gives_the_logits_themselves():
    images = pictures()
    scores = class_scores(pointwise, images, (30, 40), Protocol())
    assert torch.equal(scores, pointwise(normalise_images(images.permute(0, 2, 3, 1))))


def test_logits_are_enlarged_before_the_argmax():
    def ramp(inputs: torch.Tensor) -> torch.Tensor:
        line = torch.linspace(-1, 1, inputs.shape[-1]).expand(inputs.shape[0], inputs.shape[-2], -1)
        return torch.stack([torch.zeros_like(line), line + 0.3], 1)

    scores = class_scores(ramp, pictures(4, 4), (64, 64), Protocol())
    border = int(scores[0].argmax(0)[0].sum())
    assert border not in (0, 16, 32, 48, 64)  # an enlarged argmax would change at a multiple of 16 only


@pytest.mark.parametrize("window", [(16, 12), (40, 30), (64, 64)])
@pytest.mark.parametrize("stride", [0.4, 2 / 3, 1.0])
def test_windows_of_a_pointwise_network_change_nothing(window, stride):
    images = pictures()
    whole = class_scores(pointwise, images, (30, 40), Protocol())
    cut = class_scores(pointwise, images, (30, 40), Protocol(window=window, stride=stride))
    torch.testing.assert_close(cut, whole)


def test_windows_are_as_many_as_the_stride_says():
    seen = []

    def count(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(inputs.shape[-2:]))
        return pointwise(inputs)

    class_scores(count, pictures(30, 40), (30, 40), Protocol(window=(20, 30), stride=0.5))
    assert seen == [(30, 20)] * 3


def test_a_scale_that_may_be_asked_whole_is_not_cut():
    seen = []

    def look(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(inputs.shape[-2:]))
        return pointwise(inputs)

    protocol = Protocol(scales=(1.0, 2.0), window=(40, 30), whole_up_to=1.0, stride=1.0)
    class_scores(look, pictures(30, 40), (30, 40), protocol)
    assert seen == [(30, 40)] * 5


def test_a_pointwise_network_answers_the_mirrored_image_alike():
    images = pictures()
    torch.testing.assert_close(
        class_scores(pointwise, images, (30, 40), Protocol(flip=True)),
        class_scores(pointwise, images, (30, 40), Protocol()),
    )


def test_left_and_right_change_places_when_the_image_is_mirrored():
    def left_and_right(inputs: torch.Tensor) -> torch.Tensor:
        """Class 1 is the left half, class 2 the right half, whatever is shown."""
        side = torch.linspace(1, -1, inputs.shape[-1]).expand(inputs.shape[0], inputs.shape[-2], -1)
        return torch.stack([torch.zeros_like(side), side, -side], 1)

    images = pictures()
    with_swap = class_scores(left_and_right, images, (30, 40), Protocol(flip=True), flip_pairs=[(1, 2)])
    without = class_scores(left_and_right, images, (30, 40), Protocol(flip=True))
    torch.testing.assert_close(with_swap, left_and_right(images.float()))
    assert without.abs().max() < 1e-6
    assert swapped(3, [(1, 2)]) == [0, 2, 1]


def test_scales_are_fused_as_sums_of_exponentials_or_means_of_probabilities():
    def constant(inputs: torch.Tensor) -> torch.Tensor:
        level = torch.log(torch.tensor(float(inputs.shape[-1])))
        return level * torch.ones(inputs.shape[0], 1, *inputs.shape[-2:]) * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)

    summed = class_scores(constant, pictures(), (30, 40), Protocol(scales=(0.5, 1.0)))
    torch.testing.assert_close(summed[0, :, 0, 0].exp(), torch.tensor([20.0 + 40.0, 1.0 + 1.0]))
    shares = class_scores(constant, pictures(), (30, 40), Protocol(scales=(0.5, 1.0), fusion="softmax_mean"))
    torch.testing.assert_close(shares[0, :, 0, 0], torch.tensor([20 / 21 + 40 / 41, 1 / 21 + 1 / 41]))


@pytest.mark.parametrize(
    "protocol",
    [
        Protocol(scales=(1.0, 2.0)),
        Protocol(scales=(0.5, 1.0, 1.75), flip=True),
        Protocol(scales=(1.0, 1.5), window=(30, 20)),
        Protocol(scales=(1.0, 1.5), window=(30, 20), fusion="softmax_mean"),
    ],
)
@pytest.mark.parametrize(("gain", "offset"), [(300, 0), (1, -200), (1, 500), (1e6, 0), (1e4, -1e6)])
def test_scores_of_any_size_and_offset_fuse_to_the_same_answer(protocol, gain, offset):
    """The red level's class leads by `gain` everywhere: a single scale's answer is that class."""

    def steps(inputs: torch.Tensor) -> torch.Tensor:
        nearest = (inputs[:, :1] > 0).long()
        return gain * torch.zeros(inputs.shape[0], 3, *inputs.shape[-2:]).scatter_(1, nearest, 1.0) + offset

    halves = torch.zeros(1, 3, 24, 32, dtype=torch.uint8)
    halves[..., 16:] = 255
    answer = class_scores(steps, halves, (24, 32), protocol).argmax(1)
    assert torch.equal(answer, (halves[:, 0] > 0).long())


def test_small_scores_fuse_as_exponentials_in_plain_numbers_do():
    """Against the sum written out, with PyTorch's own enlarging."""

    def ask(inputs: torch.Tensor) -> torch.Tensor:
        return pointwise(inputs)

    images = pictures(24, 32)
    fused = class_scores(ask, images, (24, 32), Protocol(scales=(0.5, 1.0, 1.75)))
    expected = torch.zeros(2, 3, 24, 32)
    for height, width in ((12, 16), (24, 32), (42, 56)):
        scaled = normalise_images(resize_batch(images, width, height).permute(0, 2, 3, 1))
        expected += torch.nn.functional.interpolate(pointwise(scaled).exp(), size=(24, 32), mode="bilinear")
    torch.testing.assert_close(fused.exp(), expected, rtol=1e-4, atol=1e-6)


def test_the_input_size_follows_the_protocol():
    assert Protocol(width=473, height=473).input_size(100, 300) == (473, 473)
    assert Protocol(short_side=520).input_size(500, 375) == (693, 520)
    assert Protocol().input_size(500, 375) == (500, 375)


def test_padding_to_a_multiple_is_cut_off_again():
    seen = []

    def look(inputs: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(inputs.shape[-2:]))
        return pointwise(inputs)

    images = pictures(30, 41)
    scores = class_scores(look, images, (30, 41), Protocol(multiple=8))
    assert seen == [(32, 48)]
    torch.testing.assert_close(scores, class_scores(pointwise, images, (30, 41), Protocol()))


def test_shrinking_averages_instead_of_picking():
    stripes = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert resize_batch(stripes, 4, 4).float().mean() == pytest.approx(100, abs=1)
    assert resize_batch(stripes, 4, 4)[..., 1:-1].unique().numel() <= 2


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_answers_at_the_labels_size(name):
    protocol = Protocol.from_json({**PROTOCOLS[name].to_json(), "width": 0, "height": 0, "short_side": 0})
    assert class_scores(pointwise, pictures(24, 32), (20, 27), protocol).shape == (2, 3, 20, 27)


def test_a_protocol_survives_a_round_trip():
    for protocol in PROTOCOLS.values():
        assert Protocol.from_json(protocol.to_json()) == protocol


def test_bad_protocols_are_refused_with_advice():
    with pytest.raises(UserError, match="must be above 0"):
        Protocol(scales=())
    with pytest.raises(UserError, match="stride"):
        Protocol(stride=0)
    with pytest.raises(UnknownName, match="multi-scale"):
        protocol_named("multiscale")
