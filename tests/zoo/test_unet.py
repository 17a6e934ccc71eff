from __future__ import annotations

import torch

from segbench.zoo.unet import UNet


def count(classes: int = 11, **arguments: int) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in UNet(classes, **arguments).parameters())


def test_it_has_31_0_million_parameters() -> None:
    assert count() == 31_038_283


def test_a_class_more_is_one_more_convolution_of_64_channels() -> None:
    assert count(12) - count(11) == 64 + 1


def test_the_bottom_is_a_sixteenth_of_the_image() -> None:
    sizes = []
    with torch.device("meta"):
        network = UNet(width=2)
        network.encoder[-1].register_forward_hook(lambda _module, _inputs, maps: sizes.append(maps.shape))
        network(torch.empty(1, 3, 360, 480))
    assert sizes == [(1, 32, 22, 30)]
