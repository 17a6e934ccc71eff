from __future__ import annotations

import torch

from segbench.judging.shift import half_a_cell, overlap, shifted, shifted_back
from tests.judging.conftest import Exits

SIZE = (8, 12)


def test_an_image_moves_by_half_a_cell_keeps_its_size_and_comes_back() -> None:
    network, image = Exits("block"), torch.rand(1, 3, *SIZE)
    by = half_a_cell(network.begin(image), SIZE)
    assert by == (2, 2)
    moved = shifted(image, by)
    assert moved.shape == image.shape and torch.equal(moved[..., 2:, 2:], image[..., :6, :10])
    assert torch.equal(moved[..., 1, 2:], image[..., 1, :10]), "mirrored about the first row"
    assert torch.equal(shifted_back(moved, SIZE, by)[..., :6, :10], image[..., :6, :10])


def test_a_cell_is_what_the_run_says_or_the_images_share_of_the_grid() -> None:
    run = Exits("region").begin(torch.rand(1, 3, *SIZE))
    run.grid = (2, 2)
    assert half_a_cell(run, SIZE) == (2, 3)
    run.cell = (8, 8)
    assert half_a_cell(run, SIZE) == (4, 4), "the image was filled up to whole cells"


def test_what_the_shift_cuts_off_is_not_scored_at_the_labels_size() -> None:
    left = overlap(torch.ones(16, 24, dtype=torch.long), SIZE, (2, 3))
    assert (left == 1).nonzero().max(0).values.tolist() == [11, 17] and (left == 1).sum() == 12 * 18


def test_images_and_pixels_have_no_grid_to_shift() -> None:
    assert half_a_cell(Exits("pixel").begin(torch.rand(1, 3, 8, 8)), (8, 8)) is None
