"""Heads over maps of a backbone that is not there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.zoo.heads import HEADS

CHANNELS = (8, 16, 32, 64)


def maps(count: int = 4, images: int = 2) -> list[torch.Tensor]:
    """At strides 4, 8, 16 and 32 of 96x64 pixels."""
    return [torch.rand(images, CHANNELS[stage], 16 >> stage, 24 >> stage) for stage in range(count)]


def parameters(head: nn.Module) -> int:
    return sum(item.numel() for item in head.parameters())


@pytest.mark.parametrize(
    ("name", "size"), [("fcn", (2, 3)), ("aspp", (2, 3)), ("uper", (16, 24)), ("segformer-mlp", (16, 24))]
)
def test_a_head_answers_at_its_stages_stride_and_trains_on_one_image(name: str, size: tuple[int, int]) -> None:
    head = HEADS[name](CHANNELS, 5)
    scores = head(maps(images=1))
    assert scores.shape == (1, 5, *size)
    scores.sum().backward()
    assert all(item.grad is not None for item in head.parameters())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("fcn", 64 * 16 * 9 + 2 * 16 + 16 * 5 + 5),
        ("segformer-mlp", (sum(CHANNELS) + 4) * 256 + 4 * 256 * 256 + 2 * 256 + 256 * 5 + 5),
    ],
)
def test_a_head_has_the_parameters_counted_by_hand(name: str, count: int) -> None:
    assert parameters(HEADS[name](CHANNELS, 5)) == count


def test_the_head_of_segformer_counts_as_transformers() -> None:
    """B0 at 19 classes: `decode_head` of its SegformerForSemanticSegmentation, without the unused bias."""
    assert parameters(HEADS["segformer-mlp"]((32, 64, 160, 256), 19)) == 399_635


def test_a_head_of_a_pyramid_works_on_one_stage_alone() -> None:
    assert HEADS["uper"](CHANNELS[:1], 5, width=8)(maps(1)).shape == (2, 5, 16, 24)
