from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.zoo.blocks import conv_norm_relu
from segbench.zoo.dual_resolution import HIGH, LOW, BlockLayout, BlockMaps, doubled, over
from segbench.zoo.residual import BasicBlock

SIDE = 4
LEFT_HIGH = BlockLayout(torch.tensor([[[True, False]]]))
"""Two blocks side by side."""
NUMBERS = torch.arange(32.0).view(1, 1, SIDE, 2 * SIDE)
"""0 to 7 in the first row, 8 to 15 in the second, ..."""


def mixed(seed: int = 0) -> BlockLayout:
    return BlockLayout(torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(seed)) < 0.5)


def uniform(high: bool) -> BlockLayout:
    return BlockLayout(torch.full((2, 2, 3), high))


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 2 * SIDE, 3 * SIDE, generator=torch.Generator().manual_seed(1))


def borders(maps: BlockMaps, resolution: int) -> Tensor:
    """The only block of a resolution with a border of one pixel."""
    seen = {}
    maps.with_borders(lambda blocks: seen.setdefault(blocks.shape[-1], blocks)[..., 1:-1, 1:-1], 1)
    return seen[(SIDE >> resolution) + 2][0, 0]


def test_a_low_block_is_the_mean_of_four_pixels() -> None:
    rows = LEFT_HIGH.split(NUMBERS, SIDE).rows
    assert rows[:16, 0].tolist() == NUMBERS[0, 0, :, :4].flatten().tolist()
    assert rows[16:, 0].tolist() == [8.5, 10.5, 24.5, 26.5]


def test_a_high_block_sees_the_nearest_low_pixel_and_zero_outside() -> None:
    assert borders(LEFT_HIGH.split(NUMBERS, SIDE), HIGH).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 2, 3, 8.5],
        [0, 8, 9, 10, 11, 8.5],
        [0, 16, 17, 18, 19, 24.5],
        [0, 24, 25, 26, 27, 24.5],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_low_block_sees_the_mean_of_four_high_pixels() -> None:
    assert borders(LEFT_HIGH.split(NUMBERS, SIDE), LOW).tolist() == [
        [0, 0, 0, 0],
        [6.5, 8.5, 10.5, 0],
        [22.5, 24.5, 26.5, 0],
        [0, 0, 0, 0],
    ]


def test_joined_blocks_are_the_image_again() -> None:
    assert torch.equal(uniform(True).split(images(), SIDE).joined(), images())
    assert torch.equal(uniform(False).split(images(), SIDE).joined(), functional.avg_pool2d(images(), 2))
    first = LEFT_HIGH.split(NUMBERS, SIDE).joined()[0, 0, 0]
    assert first.tolist() == [0, 1, 2, 3, 8.5, 8.5, 10.5, 10.5]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 5, 3, padding=1),
        nn.Conv2d(3, 5, 7, 2, padding=3),
        nn.Conv2d(3, 5, 1, 2),
        nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        BasicBlock(3, 4, 2),
        nn.Sequential(*conv_norm_relu(3, 4), BasicBlock(4, 4)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_over_blocks_of_one_resolution_is_the_layer(layer: nn.Module) -> None:
    layer.eval()
    for high, whole in ((True, images()), (False, functional.avg_pool2d(images(), 2))):
        maps = over(layer, uniform(high).split(images(), SIDE))
        assert torch.allclose(maps.joined(), layer(whole), atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(3, 3, 3, padding=2, dilation=2), nn.Conv2d(3, 3, 3, padding=1, groups=3)],
    ids=["dilated", "groups"],
)
def test_a_layer_that_is_not_known_in_blocks_is_refused(layer: nn.Module) -> None:
    with pytest.raises(AssertionError, match="Conv2d"):
        over(layer, uniform(True).split(images(), SIDE))


def test_enlarging_sees_across_the_borders() -> None:
    for high, whole in ((True, images()), (False, functional.avg_pool2d(images(), 2))):
        assert torch.allclose(doubled(uniform(high).split(images(), SIDE)).joined(), doubled(whole), atol=1e-6)


def test_what_is_far_from_other_blocks_does_not_know_of_them() -> None:
    conv = nn.Conv2d(3, 5, 3, padding=1)
    layout = mixed()
    over_all, high = conv(images()), layout.high.repeat_interleave(SIDE, 1).repeat_interleave(SIDE, 2)
    found = over(conv, layout.split(images(), SIDE)).enlarged()
    inner = (functional.avg_pool2d(high.float(), 3, 1, 1, count_include_pad=False) == 1)[:, None].expand_as(found)
    assert inner.any() and torch.allclose(found[inner], over_all[inner], atol=1e-5)


def test_norms_train_on_both_resolutions_together() -> None:
    norm = nn.BatchNorm2d(3)
    maps = mixed().split(images(), SIDE)
    out = over(norm.train(), maps).rows
    assert torch.allclose(out.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.1 * maps.rows.mean(0), atol=1e-6)


def test_gradients_over_blocks_of_one_resolution_are_the_layers() -> None:
    layer, gradients = BasicBlock(3, 4).eval(), []
    for run in (layer, lambda start: over(layer, uniform(True).split(start, SIDE)).joined()):
        start = images().requires_grad_()
        run(start).square().sum().backward()
        gradients.append(start.grad)
    assert torch.allclose(*gradients, atol=1e-4)
