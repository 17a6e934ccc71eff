from __future__ import annotations

import pytest
import torch

from segbench.zoo.deeplab import DeepLabV3


@pytest.mark.parametrize(("classes", "parameters"), [(11, 58_628_427), (21, 58_630_997)])
def test_it_counts_as_torchvisions_without_the_auxiliary_head(classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in DeepLabV3(classes).parameters()) == parameters


def test_the_ranges_have_the_rates_as_dilation() -> None:
    with torch.device("meta"):
        assert [branch[0].dilation[0] for branch in DeepLabV3(rates=(6, 12, 18)).head.ranges] == [1, 6, 12, 18]


def test_one_image_is_enough_to_train() -> None:
    network = DeepLabV3(depth=18)
    network(torch.rand(1, 3, 32, 40)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
