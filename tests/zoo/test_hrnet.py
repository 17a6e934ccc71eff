from __future__ import annotations

from typing import Any

import pytest
import torch

from segbench.zoo.hrnet import ConcatHead, HRNetFront, HRNetModule, HRNetV2

WIDTHS = (4, 8, 16, 32)
W18 = (18, 36, 72, 144)


def count(classes: int = 11, **arguments: Any) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in HRNetV2(classes, **arguments).parameters())


@pytest.mark.parametrize(("classes", "parameters"), [(11, 65_853_611), (19, 65_859_379)])
def test_w48_counts_as_the_official_network(classes: int, parameters: int) -> None:
    assert count(classes) == parameters


def test_the_official_small_networks_are_a_matter_of_arguments() -> None:
    """1.5 and 3.9 million in the table of HRNet-Semantic-Segmentation's README."""
    small1 = {"widths": (16, 32, 64, 128), "modules": (1, 1, 1), "blocks": 2, "stage1_width": 32, "stage1_blocks": 1}
    small2 = {"widths": W18, "modules": (1, 3, 2), "blocks": 2, "stage1_blocks": 2}
    assert f"{count(19, **small1) / 1e6:.1f}" == "1.5"
    assert f"{count(19, **small2) / 1e6:.1f}" == "3.9"


def test_the_parts_of_w48_count_as_published() -> None:
    with torch.device("meta"):
        modules = [HRNetModule((48, 96, 192, 384)[:streams]) for streams in (2, 3, 4)]
    counts = [sum(p.numel() for p in module.parameters()) for module in modules]
    assert [f"{n / 1e6:.3f}" for n in counts] == ["0.878", "3.834", "15.875"]


def test_odd_sizes_are_halved_upwards() -> None:
    with torch.device("meta"):
        streams = HRNetFront(WIDTHS)(torch.empty(2, 3, 360, 480))
    sizes = [(90, 120), (45, 60), (23, 30), (12, 15)]
    assert [tuple(maps.shape) for maps in streams] == [
        (2, width, *size) for width, size in zip(WIDTHS, sizes, strict=True)
    ]


def test_a_module_leaves_its_inputs_as_they_were() -> None:
    streams = tuple(torch.rand(1, width, 8 >> i, 8 >> i) for i, width in enumerate(WIDTHS))
    before = [maps.clone() for maps in streams]
    HRNetModule(WIDTHS, blocks=1).eval()(streams)
    assert all(torch.equal(a, b) for a, b in zip(streams, before, strict=True))


def test_what_a_smaller_stream_knows_reaches_the_largest() -> None:
    module = HRNetModule(WIDTHS, blocks=1).eval()
    streams = tuple(torch.rand(1, width, 8 >> i, 8 >> i) for i, width in enumerate(WIDTHS))
    changed = (*streams[:3], streams[3] + 1)
    for plain, told in zip(module(streams), module(changed), strict=True):
        assert not torch.equal(plain, told)


def test_the_head_concatenates_at_the_largest_stream() -> None:
    head = ConcatHead(WIDTHS, classes=5)
    assert head.layers[0].in_channels == sum(WIDTHS)
    streams = tuple(torch.rand(2, width, 9 >> i, 9 >> i) for i, width in enumerate(WIDTHS))
    assert head(streams, (33, 35)).shape == (2, 5, 33, 35)


def test_aligned_corners_are_another_answer() -> None:
    torch.manual_seed(0)
    network = HRNetV2(widths=WIDTHS, modules=(1, 1, 1), blocks=1, stem=8, stage1_width=4).eval()
    aligned = HRNetV2(widths=WIDTHS, modules=(1, 1, 1), blocks=1, stem=8, stage1_width=4, align_corners=True).eval()
    aligned.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 40, 48)
    assert not torch.allclose(network(images), aligned(images))
