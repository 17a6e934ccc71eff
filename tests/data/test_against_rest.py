"""One class of a data set against the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segbench.cards.datasets import dataset_card
from segbench.data import open_dataset
from segbench.errors import UnknownName


def test_labels_say_target_rest_or_nothing(camvid: Path) -> None:
    """Columns of `c` hold 0, 2 and void."""
    dataset = open_dataset("camvid:target=pole", camvid)
    assert dataset[2].label[0].tolist() == [0, 0, 0, 1, 1, 1, 255, 255]
    assert (dataset[0].label[0, :6] == 0).all()
    assert np.array_equal(dataset[2].image, open_dataset("camvid", camvid)[2].image)


def test_its_facts_are_those_of_two_classes(camvid: Path) -> None:
    dataset, whole = open_dataset("camvid:target=road", camvid), open_dataset("camvid", camvid)
    assert (dataset.classes, dataset.class_names, dataset.flip_pairs) == (2, ("rest", "road"), ())
    assert dataset.palette[1] == whole.palette[3]
    assert dataset.describe()["options"]["target"] == "road"
    assert len({dataset.fingerprint, whole.fingerprint, open_dataset("camvid:target=car", camvid).fingerprint}) == 3


def test_drawn_images_have_targets_too() -> None:
    assert set(np.unique(open_dataset("synthetic:target=road")[0].label)) <= {0, 1, 255}


def test_the_card_knows_without_opening_anything() -> None:
    card = dataset_card("camvid:target=road")
    assert (card.classes, card.class_names) == (2, ("rest", "road"))
    assert dataset_card("camvid").classes == 11


def test_a_class_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="no value of camvid's option target 'raod'; did you mean road"):
        dataset_card("camvid:target=raod")
