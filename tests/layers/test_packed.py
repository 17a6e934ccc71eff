from __future__ import annotations

import pytest
import torch
from torch import nn

from segbench.layers import packed
from segbench.layers.packed import convolve, packed_weights
from segbench.zoo.segnode import SegNode

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of all weights that were packed."""
    shapes: list[tuple[int, ...]] = []
    plain = torch._C._nn.mkldnn_reorder_conv2d_weight

    def counted(weight: torch.Tensor, *geometry: object) -> torch.Tensor:
        shapes.append(tuple(weight.shape))
        return plain(weight, *geometry)

    monkeypatch.setattr(torch._C._nn, "mkldnn_reorder_conv2d_weight", counted)
    return shapes


def _layer(**changes: int) -> nn.Conv2d:
    torch.manual_seed(0)
    arguments: dict[str, int] = {"in_channels": 16, "out_channels": 16, "kernel_size": 3, "padding": 1, **changes}
    return nn.Conv2d(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{}, {"stride": 2}, {"dilation": 2, "padding": 2}, {"groups": 4}])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_packed_weights_give_the_same_products(changes: dict[str, int], layout: torch.memory_format) -> None:
    conv, images = _layer(**changes), torch.randn(2, 16, 3, 4).contiguous(memory_format=layout)
    with torch.no_grad(), packed_weights():
        for _ in range(2):
            torch.testing.assert_close(convolve(conv, images), conv(images))


def test_weights_are_packed_once_for_each_size_and_forgotten(packings: list[tuple[int, ...]]) -> None:
    conv, small, smaller = _layer(), torch.randn(2, 16, 3, 4), torch.randn(1, 16, 3, 4)
    with torch.no_grad():
        with packed_weights():
            for images in (small, small, smaller, small):
                convolve(conv, images)
        assert len(packings) == 2
        conv.weight.zero_()
        assert not convolve(conv, small).sub(conv.bias[:, None, None]).any()  # type: ignore[index]


@pytest.mark.parametrize("case", ["gradient", "many pixels", "double", "autocast", "one by one", "closed"])
def test_nothing_is_packed_where_it_does_not_pay(packings: list[tuple[int, ...]], case: str) -> None:
    conv, images = _layer(), torch.randn(1, 16, 3, 4)
    if case == "double":
        conv, images = conv.double(), images.double()
    if case == "many pixels":
        images = torch.randn(2, 16, 30, 40)
    if case == "one by one":
        conv = nn.Conv2d(16, 16, 1)
    with torch.set_grad_enabled(case == "gradient"), torch.autocast("cpu", enabled=case == "autocast"):
        if case == "closed":
            convolve(conv, images)
        else:
            with packed_weights():
                convolve(conv, images)
    assert not packings


def test_a_solve_packs_each_heavy_convolution_once(
    packings: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = SegNode(widths=(8, 16, 32, 64), stem=16, modules=1, steps=3).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found = network(images)
        assert packings.count((64, 64, 3, 3)) == 4  # the blocks of the smallest stream, not three times as many
        monkeypatch.setattr(packed, "_pays", lambda conv, images: False)
        torch.testing.assert_close(found, network(images), rtol=1e-4, atol=1e-5)
