from __future__ import annotations

from typing import Any

import pytest
import torch

from segbench.zoo.pspnet import PSPNet

PAPER: dict[str, Any] = {"depth": 34, "pool_width": 512, "bottleneck_kernel": 1, "classifier_kernel": 3}


@pytest.mark.parametrize(("arguments", "parameters"), [(PAPER, 23_699_787), ({}, 46_587_467)])
def test_both_readings_count_exactly(arguments: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in PSPNet(**arguments).parameters()) == parameters


def test_the_grids_of_the_usual_network_share_the_bodys_channels() -> None:
    with torch.device("meta"):
        assert [grid[1].out_channels for grid in PSPNet().grids] == [512] * 4


def test_one_image_is_enough_to_train() -> None:
    network = PSPNet(**{**PAPER, "depth": 18})
    network(torch.rand(1, 3, 32, 40)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
