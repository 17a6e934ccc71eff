from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from segbench.layers.interpolated_conv import InterpolatedConv2d, Masks
from segbench.layers.region_conv import Region
from segbench.meters.operations import count_operations

MAPS = torch.rand(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))


def at(*places: tuple[int, int], size: tuple[int, int] = (5, 6)) -> Region:
    mask = torch.zeros(1, *size, dtype=torch.bool)
    for row, column in places:
        mask[0, row, column] = True
    return Region(mask)


def layer(conv: nn.Conv2d, region: Region | None) -> InterpolatedConv2d:
    masks = Masks()
    masks.set(region)
    return InterpolatedConv2d(conv, masks).eval()


def answer(made: nn.Module, maps: Tensor = MAPS) -> Tensor:
    with torch.no_grad():
        values: Tensor = made(maps)
    return values


def test_where_everything_is_computed_it_is_the_convolution() -> None:
    conv = nn.Conv2d(2, 3, 3, padding=1)
    whole = Region(torch.ones(1, 5, 6, dtype=torch.bool))
    for region in (None, whole):
        assert torch.equal(answer(layer(conv, region)), answer(conv))


def test_a_skipped_position_is_what_the_kernel_sees_of_the_computed_ones_by_hand() -> None:
    """With sharpness 0.5 a neighbour at distance 1 weighs e^-1/4, one at sqrt 5 e^-5/4, one at 4 nothing."""
    made = layer(nn.Conv2d(2, 2, 1, bias=False), at((2, 1), (1, 3)))
    made.weight = nn.Parameter(torch.eye(2).view(2, 2, 1, 1))
    made.sharpness = nn.Parameter(torch.tensor(0.5))
    found = answer(made)
    line = [math.exp(-(d**2) / 4) for d in range(-3, 4)]
    kernel = sum(line) ** 2 - 1 + 1e-5
    one, two = MAPS[0, 0, 2, 1], MAPS[0, 0, 1, 3]
    assert torch.equal(found[0, :, 2, 1], MAPS[0, :, 2, 1])
    assert float(found[0, 0, 2, 2]) == pytest.approx(float((math.exp(-0.25) * one + math.exp(-0.5) * two) / kernel))
    assert float(found[0, 0, 2, 5]) == pytest.approx(float(math.exp(-1.25) * two / kernel))


def test_gathering_and_masking_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for conv, region in (
        (nn.Conv2d(2, 3, 3, padding=1), at((2, 1), (4, 5), (0, 0))),
        (nn.Conv2d(2, 3, 3, 2, 1), at((0, 0), (2, 2), size=(3, 3))),
    ):
        made = layer(conv, region)
        gathered = answer(made)
        with monkeypatch.context() as patch:
            patch.setattr(Region, "is_gathered", False)
            assert torch.allclose(answer(made), gathered, atol=1e-6)


def test_other_sizes_take_their_nearest_position() -> None:
    masks = Masks()
    masks.set(at((0, 0), (2, 4), (3, 3), size=(4, 6)))
    half = masks.at((2, 3))
    assert half is not None
    assert half.mask.tolist() == [[[True, False, False], [False, False, True]]]
    assert masks.at((4, 6)) is masks.region


def test_the_same_region_again_is_not_resized_again() -> None:
    masks, region, other = Masks(), at((0, 0)), at((2, 4))
    masks.set(region)
    half = masks.at((2, 3))
    masks.set(region)
    assert masks.at((2, 3)) is half
    masks.set(other)
    assert masks.at((5, 6)) is other and masks.at((2, 3)) is not half
    masks.set(None)
    assert masks.at((2, 3)) is None


def test_it_costs_the_computed_positions_and_49_a_value() -> None:
    made = layer(nn.Conv2d(2, 3, 3, padding=1), at((2, 1), (4, 5)))
    assert count_operations(made, lambda: answer(made)).total_macs == 2 * 9 * 2 * 3 + 49 * 3 * 30


def test_the_sharpness_learns_where_something_is_skipped() -> None:
    made = layer(nn.Conv2d(2, 3, 3, padding=1), at((2, 1), (4, 5))).train()
    nn.init.constant_(made.sharpness, 0.5)
    made(MAPS).square().sum().backward()
    assert made.sharpness.grad is not None
    assert made.sharpness.grad != 0
