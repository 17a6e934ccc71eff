from __future__ import annotations

from typing import Any

import pytest
import torch

from segbench.errors import UnknownName
from segbench.zoo.baseline import Baseline
from segbench.zoo.hrnet import ConcatHead

SMALL: dict[str, Any] = {"widths": (4, 8, 16, 32), "stem": 8}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({}, 70_955_004),
        ({"modules": 7}, 70_955_004),
        ({"modules": 6}, 60_953_628),
        ({"norm": "group"}, 70_955_004),
        ({"variant": "hrnet_front"}, 71_141_867),
    ],
)
def test_every_reading_counts_exactly(arguments: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Baseline(**arguments).parameters()) == parameters


def test_modules_are_residual() -> None:
    network = Baseline(**SMALL, modules=2).eval()
    images = torch.rand(1, 3, 45, 33)
    for exchange in network.exchanges:
        for parameter in exchange.parameters():
            parameter.data.zero_()
    assert torch.equal(network(images), network.exit(network.entry(images), (45, 33)))


def test_the_other_reading_keeps_hrnets_head_and_chains() -> None:
    network = Baseline(**SMALL, variant="hrnet_front")
    assert isinstance(network.exit, ConcatHead)
    assert len(network.exchanges) == 6
    assert [step.conv.out_channels for step in network.exchanges[0].fuse[3][0]] == [4, 4, 32]


def test_another_variant_is_refused() -> None:
    with pytest.raises(UnknownName, match="hrnet_front"):
        Baseline(**SMALL, variant="hrnet-front")
