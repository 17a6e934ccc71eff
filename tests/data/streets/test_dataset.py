from __future__ import annotations

import numpy as np
import pytest

from segbench.data import open_dataset
from segbench.errors import UnknownName, UserError

SMALL = "synthetic:size=96x72,count=40"


def test_the_same_seed_draws_the_same_scene_and_another_another() -> None:
    first, again, other = (open_dataset(f"synthetic:size=96x72,seed={seed}") for seed in (0, 0, 1))
    assert np.array_equal(first[3].image, again[3].image)
    assert np.array_equal(first[3].label, again[3].label)
    assert not np.array_equal(first[3].image, other[3].image)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_no_split_repeats_a_scene_of_another() -> None:
    train, val = open_dataset(SMALL), open_dataset(SMALL, split="val")
    assert not set(train.names) & set(val.names)
    assert not np.array_equal(train[0].image, val[0].image)


def test_splits_have_their_usual_number_or_the_one_asked_for() -> None:
    assert len(open_dataset("synthetic")) == 512
    assert len(open_dataset(SMALL, split="train+val")) == 80


@pytest.mark.parametrize(("width", "height"), [(480, 360), (97, 53), (33, 200), (8, 8)])
def test_any_size_is_drawn(width: int, height: int) -> None:
    dataset = open_dataset(f"synthetic:size={width}x{height}")
    sample = dataset[0]
    assert sample.image.shape == (height, width, 3)
    assert sample.label.shape == (height, width)
    assert sample.image.dtype == sample.label.dtype == np.uint8
    assert set(np.unique(sample.label)) <= {*range(11), 255}
    assert dataset.size == (width, height)


def test_a_scene_at_another_size_is_the_same_place() -> None:
    small, large = (open_dataset(f"synthetic:size={size}")[7].label for size in ("96x72", "192x144"))
    assert np.mean(small == large[::2, ::2]) > 0.85


def test_every_class_occurs_in_forty_scenes_and_none_dominates() -> None:
    dataset = open_dataset(SMALL)
    counts = sum(np.bincount(dataset[index].label.ravel(), minlength=256) for index in range(40))
    share = counts / counts.sum()
    assert (share[:11] > 0.0005).all()
    assert share.max() < 0.5
    assert share[255] < 0.08


def test_colour_alone_does_not_tell_the_class() -> None:
    """The best guess from a pixel's colour, learnt on thirty scenes, stays far below what shapes and places allow."""
    dataset = open_dataset(SMALL)
    counts = np.zeros((16**3, 256), np.int64)
    for index in range(30):
        np.add.at(counts, (_coarse(dataset[index].image), dataset[index].label.ravel()), 1)
    guess = counts[:, :11].argmax(1)
    confusion = np.zeros((11, 11), np.int64)
    for index in range(30, 40):
        label = dataset[index].label.ravel()
        known = label < 11
        np.add.at(confusion, (label[known], guess[_coarse(dataset[index].image)][known]), 1)
    hits = np.diag(confusion)
    assert np.mean(hits / (confusion.sum(0) + confusion.sum(1) - hits)) < 0.3


def _coarse(image: np.ndarray) -> np.ndarray:
    red, green, blue = (image[..., channel].astype(int).ravel() >> 4 for channel in range(3))
    return red << 8 | green << 4 | blue


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("size=96", "not an input size"),
        ("seed=-1", "option seed is '-1'; it must be a whole number"),
        ("count=many", "option count is 'many'"),
    ],
)
def test_bad_options_are_explained(option: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(f"synthetic:{option}")


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UnknownName, match="no split of synthetic"):
        open_dataset("synthetic", split="coarse")
