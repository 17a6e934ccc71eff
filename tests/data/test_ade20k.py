from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from segbench.data import open_dataset


def test_zero_is_ignored_and_classes_start_at_one(
    tmp_path: Path, write_image: Callable[..., Path], write_label: Callable[..., Path]
) -> None:
    base = tmp_path / "ADEChallengeData2016"
    write_image(base / "images/validation/ADE_val_00000001.jpg")
    write_label(base / "annotations/validation/ADE_val_00000001.png", 0, 1, 150)
    sample = open_dataset("ade20k", tmp_path, "val")[0]
    assert np.unique(sample.label).tolist() == [0, 149, 255]


def test_the_real_pairs_are_read(real_data: Path) -> None:
    dataset = open_dataset("ade20k", real_data / "fixtures", "val")
    present = np.unique(dataset[0].label)
    assert {"wall", "building", "sky"} <= {dataset.class_names[index] for index in present if index != 255}
