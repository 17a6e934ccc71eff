from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.errors import UserError
from segbench.zoo.resnet import ResNetBody


@pytest.mark.parametrize(
    ("depth", "parameters", "channels"),
    [(18, 11_176_512, 512), (34, 21_284_672, 512), (50, 23_508_032, 2048), (101, 42_500_160, 2048)],
)
def test_a_body_counts_as_published_without_its_classifier(depth: int, parameters: int, channels: int) -> None:
    with torch.device("meta"):
        body = ResNetBody(depth)
    assert sum(p.numel() for p in body.parameters()) == parameters
    assert body.channels == channels


@pytest.mark.parametrize(("stride", "size"), [(4, (90, 120)), (8, (45, 60)), (16, (23, 30)), (32, (12, 15))])
def test_the_output_stride_is_kept_by_dilation(stride: int, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        body = ResNetBody(34, stride)
        assert body(torch.empty(1, 3, 360, 480)).shape == (1, 512, *size)


def test_the_first_block_of_a_dilated_stage_keeps_the_dilation_before() -> None:
    with torch.device("meta"):
        body = ResNetBody(50, 8)
    dilations = [
        [block.body[3].dilation[0] for block in stage if isinstance(block.body[3], nn.Conv2d)] for stage in body.stages
    ]
    assert dilations == [[1] * 3, [1] * 4, [1, 2, 2, 2, 2, 2], [2, 4, 4]]


@pytest.mark.parametrize(
    ("depth", "stride", "sentence"), [(20, 8, "depth 20; choose 18"), (50, 2, "stride 2; choose 4, 8")]
)
def test_what_there_is_not_is_refused(depth: int, stride: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        ResNetBody(depth, stride)
