from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.zoo.baseline import Baseline
from segbench.zoo.hrnet import HRNetV2
from segbench.zoo.ocr import ObjectAttention, OCRHead, gathered, soft_regions
from segbench.zoo.segnode import SegNode

WIDTHS = (4, 8, 8, 8)


def streams() -> tuple[Tensor, ...]:
    return tuple(torch.randn(2, width, 12 // 2**level, 16 // 2**level) for level, width in enumerate(WIDTHS))


def test_hrnetv2_with_it_counts_as_the_official_network() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in HRNetV2(19, ocr_width=512).parameters()) == 70_372_678


def test_each_soft_region_sums_to_one_over_space() -> None:
    regions = soft_regions(torch.randn(2, 5, 7, 9) * 20)
    assert regions.shape == (2, 5, 63)
    assert torch.allclose(regions.sum(-1), torch.ones(2, 5))


def test_an_object_is_the_mean_of_the_pixels_of_its_region() -> None:
    scores = torch.full((1, 2, 1, 4), -1e4)
    scores[0, 0, 0, :2] = scores[0, 1, 0, 3] = 0.0
    pixels = torch.tensor([[[[1.0, 3.0, 9.0, 7.0]]]])
    assert gathered(soft_regions(scores), pixels).flatten().tolist() == [2.0, 7.0]


def test_pixels_read_the_same_where_all_objects_are_alike() -> None:
    attention = ObjectAttention(8, 4, "group").eval()
    read = attention(torch.randn(1, 8, 3, 5), torch.randn(1, 8, 1, 1).expand(-1, -1, 6, -1))
    assert torch.allclose(read, read[..., :1, :1].expand_as(read), atol=1e-6)


@pytest.mark.parametrize("norm", ["batch", "group", "batch-per-stage"])
def test_in_training_it_gives_two_scores_and_in_evaluation_the_last(norm: str) -> None:
    head = OCRHead(WIDTHS, 3, 8, norm)
    found = head(streams(), (24, 32))
    assert {name: tuple(maps.shape) for name, maps in found.items()} == {"out": (2, 3, 24, 32), "aux": (2, 3, 24, 32)}
    assert head.eval()(streams(), (24, 32)).shape == (2, 3, 24, 32)


@pytest.mark.parametrize("network", [HRNetV2, SegNode, Baseline])
def test_it_takes_the_place_of_the_usual_head(network: Any) -> None:
    built = network(
        classes=3, widths=WIDTHS, stem=8, blocks=1, modules=(1, 1, 1) if network is HRNetV2 else 1, ocr_width=8
    )
    outputs = built(torch.rand(2, 3, 40, 48))
    assert outputs["out"].shape == outputs["aux"].shape == (2, 3, 40, 48)
    assert not any(name.startswith(("head.layers", "exit.outlets")) for name in built.state_dict())


def test_a_trajectory_reads_every_state_with_it() -> None:
    network = SegNode(3, WIDTHS, stem=8, modules=1, blocks=1, ocr_width=8)
    assert [tuple(maps.shape) for maps in network.trajectory(torch.rand(2, 3, 40, 48), [0, 0.5, 1])] == [
        (2, 3, 40, 48)
    ] * 3
