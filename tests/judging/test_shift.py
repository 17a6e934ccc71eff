from __future__ import annotations

import torch

from segbench.judging.shift import half_a_block, shifted, shifted_back
from tests.judging.conftest import Exits


def test_an_image_shifted_by_half_a_block_still_fits_the_grid_and_comes_back() -> None:
    network, image = Exits("block"), torch.rand(1, 3, 8, 12)
    by = half_a_block(network.begin(image), (8, 12), network.multiple_of)
    assert by == (2, 2)
    moved = shifted(image, by)
    assert moved.shape == (1, 3, 12, 16) and network.begin(moved).grid == (3, 4)
    assert torch.equal(moved[..., 2:10, 2:14], image)
    assert torch.equal(shifted_back(moved, (8, 12), by), image)


def test_images_and_pixels_have_no_grid_to_shift() -> None:
    assert half_a_block(Exits("pixel").begin(torch.rand(1, 3, 8, 8)), (8, 8), 1) is None
