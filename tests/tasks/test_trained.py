"""A checkpoint's origin against the data set that it is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from segbench.data import open_dataset
from segbench.errors import CheckpointError
from segbench.tasks.trained import notes_on_label_map, notes_on_origin, require_same_classes, require_same_count

STREETS = open_dataset("synthetic:size=64x48,count=2", split="val")
WEIGHTS = Path("best.safetensors")


@pytest.mark.parametrize("facts", [{}, {"classes": 11}, {"class_names": list(STREETS.class_names)}])
def test_the_same_classes_or_none_told_are_accepted(facts: dict[str, Any]) -> None:
    require_same_classes(facts, STREETS, WEIGHTS)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"classes": 19}, r"best.safetensors distinguishes 19 classes, not the 11 of synthetic \("),
        (
            {"class_names": ["road", "sky"], "data": {"dataset": "camvid"}},
            r"2 classes of camvid \(road, sky\), not the 11",
        ),
        ({"class_names": list(reversed(STREETS.class_names))}, r"11 classes \(.* \.\.\.\), not the 11"),
    ],
)
def test_other_classes_are_refused_by_number_or_by_name(facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        require_same_classes(facts, STREETS, WEIGHTS)


def test_a_label_map_of_another_number_of_classes_is_refused_and_what_has_no_place_is_told() -> None:
    label_map = (("ground", 0), ("boat", None))
    with pytest.raises(CheckpointError, match="distinguishes 19 classes, the label map has 2"):
        require_same_count({"classes": 19}, 2, WEIGHTS)
    homeless, absent = notes_on_label_map(label_map, STREETS)
    assert homeless == "the network's boat stand for nothing in synthetic and are left out of the answer"
    assert STREETS.class_names[0] not in absent and STREETS.class_names[1] in absent
    assert list(notes_on_label_map((), STREETS)) == []


def test_scores_on_the_trainings_own_images_are_noted() -> None:
    facts = {"data": {"dataset": "synthetic", "fingerprint": STREETS.fingerprint}}
    assert list(notes_on_origin(facts, STREETS, WEIGHTS)) == [
        "the checkpoint was trained on these very images (synthetic val)"
    ]


def test_another_data_set_is_noted_and_the_same_one_is_not() -> None:
    def of(name: str) -> list[str]:
        return list(notes_on_origin({"data": {"dataset": name, "fingerprint": "other"}}, STREETS, WEIGHTS))

    assert of("camvid:11") == ["the checkpoint was trained on camvid, and is asked about synthetic"]
    assert of("synthetic:count=9") == []
