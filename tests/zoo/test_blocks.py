from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.zoo.blocks import PooledBatchNorm, add_resized, conv_norm, conv_norm_relu, resize, size_of


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4), (7, 1)])
def test_a_convolution_with_stride_1_keeps_the_size(kernel: int, dilation: int) -> None:
    layers = nn.Sequential(*conv_norm_relu(3, 5, kernel, dilation=dilation))
    assert layers(torch.rand(2, 3, 9, 12)).shape == (2, 5, 9, 12)


def test_a_norm_makes_the_convolutions_bias_needless() -> None:
    conv, _ = conv_norm(3, 5)
    assert conv.bias is None


def test_maps_of_the_wanted_size_are_handed_back_as_they_are() -> None:
    maps = torch.rand(1, 2, 4, 5)
    assert resize(maps, (4, 5)) is maps
    assert size_of(resize(maps, (7, 3))) == (7, 3)


def test_the_sum_is_over_maps_brought_to_one_size() -> None:
    flat = torch.full((1, 1, 2, 3), 2.0)
    assert torch.equal(add_resized([torch.ones(1, 1, 5, 7), flat], (5, 7)), torch.full((1, 1, 5, 7), 3.0))


def test_the_sum_changes_none_of_its_addends() -> None:
    first = torch.ones(1, 1, 2, 2)
    add_resized([first, first], (2, 2))
    assert torch.equal(first, torch.ones(1, 1, 2, 2))


def test_a_map_of_one_pixel_trains_at_batch_1_by_the_running_statistics() -> None:
    norm = PooledBatchNorm(2)
    norm.running_mean = torch.tensor([1.0, 3.0])
    pooled = torch.tensor([1.0, 5.0]).reshape(1, 2, 1, 1).requires_grad_()
    normalised = norm(pooled)
    assert torch.allclose(normalised.flatten(), torch.tensor([0.0, 2.0]), atol=1e-4)
    normalised.sum().backward()
    assert torch.allclose(pooled.grad.flatten(), torch.ones(2), atol=1e-4)
    assert torch.equal(norm.running_mean, torch.tensor([1.0, 3.0]))


def test_more_pixels_than_one_are_normalised_as_ever() -> None:
    pooled = torch.rand(2, 3, 1, 1)
    assert torch.equal(PooledBatchNorm(3)(pooled), nn.BatchNorm2d(3)(pooled))
