"""The training crop of each data set."""

from __future__ import annotations

import pytest

from segbench.cards.crops import crop_of, crops_of
from segbench.cards.datasets import DATASETS
from segbench.errors import UnknownName


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_cuts(name):
    crops = crops_of(name)
    assert crops.width > 0 and crops.height > 0 and 0 < crops.scale_jitter[0] <= crops.scale_jitter[1]


def test_crops_are_hrnets_where_it_has_them():
    assert crop_of("cityscapes") == (1024, 512)
    assert crop_of("lip") == (473, 473)
    assert crop_of("pascal-context") == (520, 520)


def test_other_data_sets_leave_the_size_to_the_card_unless_it_is_said():
    assert crop_of("camvid") is None
    assert crop_of("synthetic:size=64x48") == (64, 48)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(UnknownName, match="camvid"):
        crops_of("camvit")
