from __future__ import annotations

from pathlib import Path

import pytest

from segbench.cards.datasets import dataset_card
from segbench.cards.label_map import read_label_map
from segbench.errors import CardError

CAMVID = dataset_card("camvid").class_names


def test_a_data_sets_classes_are_joined_by_their_names() -> None:
    found = dict(read_label_map("cityscapes", CAMVID))
    assert list(found) == list(dataset_card("cityscapes").class_names)
    assert found["road"] == [name.lower() for name in CAMVID].index("road")
    assert found["train"] is None


def test_a_file_says_what_names_do_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('classes = ["Traffic light", "lawn", "street", "ship"]\n[map]\nlawn = "tree"\nstreet = "none"\n')
    assert read_label_map(str(path), ["tree", "traffic_light", "street"]) == (
        ("Traffic light", 1),
        ("lawn", 0),
        ("street", None),
        ("ship", None),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('classes = ["a"]\n[map]\nb = "tree"', "the network has no class 'b'; it has a"),
        ('classes = ["a"]\n[map]\na = "shrub"', "the data set has no class 'shrub'; it has tree, or write none"),
        ('classes = ["a", "b"]', "no class of the network is one of tree"),
        ("classes = []", "key 'classes'"),
        ("class = 3", "unknown key 'class'"),
    ],
)
def test_a_map_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(CardError, match=message):
        read_label_map(str(path), ["tree"])
