"""Boxes, mirrors, padding and colours against pixels that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segbench.data import Sample
from segbench.errors import UserError
from segbench.learning.augment import DRAWN, Box, Draw, colour_jittered, colour_matrix, crop, draw, renormalised
from segbench.learning.plan import PLAIN, Augmentation
from segbench.libraries.traits import IMAGENET_MEAN as MEAN
from segbench.libraries.traits import Traits
from segbench.workload.images import normalise_images


def numbered(height: int = 12, width: int = 16) -> Sample:
    """A frame whose red channel counts columns and green channel rows; the label is the column's number."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns * 10, rows * 10, columns * 0], -1).astype(np.uint8)
    return Sample(image, columns.astype(np.uint8), "numbered")


def drawn(box: Box, mirrored: bool = False) -> Draw:
    return Draw(box, mirrored, colour_matrix())


def test_without_augmentation_the_whole_frame_is_kept():
    sample = numbered()
    image, label = crop(sample, draw(PLAIN, (16, 12), (16, 12), np.random.default_rng(0).random(DRAWN)), (16, 12))
    assert np.array_equal(image.permute(1, 2, 0).numpy(), sample.image)
    assert np.array_equal(label.numpy(), sample.label)


def test_a_box_is_cut_where_it_lies():
    image, label = crop(numbered(), drawn(Box(4, 3, 8, 6)), (8, 6))
    assert image[0, 0].tolist() == [40, 50, 60, 70, 80, 90, 100, 110]
    assert image[1, :, 0].tolist() == [30, 40, 50, 60, 70, 80]
    assert label[0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11]


def test_a_frame_padded_on_all_sides_is_ignored_there_and_never_class_zero():
    sample = Sample(numbered().image, np.zeros((12, 16), np.uint8), "zeros")
    image, label = crop(sample, drawn(Box(-8, -6, 32, 24)), (32, 24))
    inside = torch.zeros(24, 32, dtype=torch.bool)
    inside[6:18, 8:24] = True
    assert label[inside].tolist() == [0] * (12 * 16)
    assert (label[~inside] == 255).all()
    padding = image[:, ~inside].unique(dim=1)
    assert padding.shape == (3, 1)
    assert colour_jittered(image[None], torch.from_numpy(colour_matrix())[None])[0][:, ~inside].abs().max() < 0.01


def test_padding_when_zooming_out_is_ignored_in_what_is_drawn_too():
    augmentation = Augmentation(scale_jitter=(0.5, 0.5), aspect=0.0)
    sample = Sample(numbered().image, np.zeros((12, 16), np.uint8), "zeros")
    for seed in range(20):
        _, label = crop(
            sample, draw(augmentation, (16, 12), (32, 24), np.random.default_rng(seed).random(DRAWN)), (32, 24)
        )
        assert int((label == 0).sum()) == 16 * 12


def test_mirroring_turns_image_and_label_and_swaps_left_with_right():
    straight = crop(numbered(), drawn(Box(0, 0, 16, 12)), (16, 12))
    mirrored = crop(numbered(), drawn(Box(0, 0, 16, 12), mirrored=True), (16, 12), flip_pairs=[(0, 1)])
    assert torch.equal(mirrored[0].flip(-1), straight[0])
    assert mirrored[1][0].tolist() == [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 0, 1]


def test_ignored_pixels_stay_ignored_when_left_and_right_are_swapped():
    sample = Sample(numbered().image, np.full((12, 16), 255, np.uint8), "void")
    _, label = crop(sample, drawn(Box(0, 0, 16, 12), mirrored=True), (16, 12), flip_pairs=[(0, 1)])
    assert (label == 255).all()


def test_labels_at_half_size_are_those_of_the_pixel_centres():
    _, label = crop(numbered(), drawn(Box(0, 0, 16, 12)), (16, 12), label_stride=2)
    assert label.shape == (6, 8)
    assert label[0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    low=st.floats(0.3, 2.0),
    factor=st.floats(1.0, 3.0),
    aspect=st.floats(0.0, 0.5),
    frame=st.tuples(st.integers(5, 60), st.integers(5, 60)),
    stretch=st.booleans(),
)
def test_every_draw_can_be_cut_and_shows_only_labels_of_the_frame_or_255(seed, low, factor, aspect, frame, stretch):
    augmentation = Augmentation(scale_jitter=(low, low * factor), aspect=aspect, stretch=stretch)
    sample = numbered(frame[1], frame[0])
    chosen = draw(augmentation, frame, (20, 14), np.random.default_rng(seed).random(DRAWN))
    image, label = crop(sample, chosen, (20, 14), label_stride=2)
    assert image.shape == (3, 14, 20) and label.shape == (7, 10)
    assert set(label.unique().tolist()) <= {*range(frame[0]), 255}
    if low >= 1:
        box = chosen.box
        assert box.left >= 0 and box.top >= 0
        assert box.left + box.width <= frame[0] + 1e-6 and box.top + box.height <= frame[1] + 1e-6
        assert not (label == 255).any()


def test_image_and_label_agree_after_any_cut():
    """The red channel says which column a pixel came from, so image and label can be compared."""
    columns = np.mgrid[:60, :80][1]
    sample = Sample(np.repeat((columns * 3)[..., None], 3, 2).astype(np.uint8), columns.astype(np.uint8), "ramp")
    for seed in range(30):
        chosen = draw(
            Augmentation(scale_jitter=(1, 2), aspect=0.2), (80, 60), (40, 30), np.random.default_rng(seed).random(DRAWN)
        )
        image, label = crop(sample, chosen, (40, 30))
        assert np.abs(image[0].numpy() / 3.0 - label.numpy())[:, 2:-2].max() < 1.7


def test_zoom_one_stretches_the_whole_frame_where_told():
    augmentation = Augmentation(scale_jitter=(1, 1), aspect=0, stretch=True)
    assert draw(augmentation, (30, 90), (20, 20), np.random.default_rng(0).random(DRAWN)).box == Box(0, 0, 30, 90)
    kept = draw(
        Augmentation(scale_jitter=(1, 1), aspect=0), (30, 90), (20, 20), np.random.default_rng(0).random(DRAWN)
    ).box
    assert (kept.width, kept.height) == (30, 30)


def test_zoom_is_drawn_log_uniformly_over_its_range():
    rng = np.random.default_rng(0)
    widths = [
        draw(Augmentation(scale_jitter=(1, 4), aspect=0), (64, 64), (64, 64), rng.random(DRAWN)).box.width
        for _ in range(4000)
    ]
    assert min(widths) >= 16 and max(widths) <= 64
    assert np.mean(np.array(widths) > 32) == pytest.approx(0.5, abs=0.03)


def test_colours_left_alone_are_the_usual_normalisation():
    images = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    found = colour_jittered(images, torch.from_numpy(colour_matrix()).expand(2, 3, 4))
    torch.testing.assert_close(found, normalise_images(images.permute(0, 2, 3, 1)), atol=1e-5, rtol=0)


def test_colours_are_normalised_as_the_network_wants_them():
    traits = Traits(mean=(0.5, 0.4, 0.3), std=(0.25, 0.5, 1.0))
    images = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    found = colour_jittered(images, torch.from_numpy(renormalised(colour_matrix(), traits)).expand(2, 3, 4))
    torch.testing.assert_close(found, normalise_images(images.permute(0, 2, 3, 1), traits), atol=1e-5, rtol=0)


def test_each_colour_factor_does_what_its_name_says():
    red = np.array([0.8, 0.2, 0.1, 1.0])
    base = colour_matrix() @ red
    grey = colour_matrix(saturation=0) @ red * [0.229, 0.224, 0.225] + MEAN
    assert grey == pytest.approx([0.299 * 0.8 + 0.587 * 0.2 + 0.114 * 0.1] * 3, abs=1e-6)
    assert colour_matrix(brightness=2) @ [*MEAN, 1.0] * [0.229, 0.224, 0.225] + MEAN == pytest.approx(
        np.array(MEAN) * 2
    )
    assert colour_matrix(contrast=0.5) @ red == pytest.approx(base / 2, abs=1e-6)


def test_a_zoom_that_is_no_range_is_refused():
    with pytest.raises(UserError, match="LOW:HIGH"):
        Augmentation(scale_jitter=(2, 1))
