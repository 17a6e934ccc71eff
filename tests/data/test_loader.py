from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from segbench.data import Sample, open_dataset
from segbench.data.loader import Loader, resized
from segbench.errors import DataError, UserError

Write = Callable[..., Path]


def _brighter(sample: Sample) -> Sample:
    return Sample(sample.image + 1, sample.label, sample.name)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_hold_the_samples_in_order(camvid: Path, workers: int) -> None:
    loader = Loader(open_dataset("camvid", camvid), batch_size=2, workers=workers)
    first, second = list(loader)
    assert len(loader) == 2
    assert (first.names, second.names) == (("a", "b"), ("c",))
    assert first.images.shape == (2, 3, 6, 8)
    assert first.labels.shape == (2, 6, 8)
    assert first.images.dtype == first.labels.dtype == torch.uint8
    assert first.images[1, :, 0, 0].tolist() == [1, 50, 100]


def test_an_order_may_repeat_and_leave_out(camvid: Path) -> None:
    loader = Loader(open_dataset("camvid", camvid), batch_size=4, order=[2, 0, 2])
    assert [batch.names for batch in loader] == [("c", "a", "c")]


def test_samples_are_changed_then_resized(camvid: Path) -> None:
    (batch,) = Loader(open_dataset("camvid", camvid), batch_size=3, size=(16, 12), change=_brighter)
    assert batch.images.shape == (3, 3, 12, 16)
    assert batch.images[0, :, 0, 0].tolist() == [1, 51, 101]


def test_labels_are_never_mixed_when_resized() -> None:
    label = np.array([[0, 10], [255, 3]], np.uint8)
    large = resized(Sample(np.zeros((2, 2, 3), np.uint8), label, "x"), (7, 5))
    assert large.image.shape == (5, 7, 3)
    assert set(np.unique(large.label)) == {0, 3, 10, 255}


def test_different_sizes_in_a_batch_ask_for_a_size(camvid: Path, write_image: Write, write_label: Write) -> None:
    write_image(camvid / "train/b.png", size=(5, 9))
    write_label(camvid / "trainannot/b.png", 2, size=(5, 9))
    with pytest.raises(UserError, match=r"different sizes \(5x9, 8x6\); give a size"):
        list(Loader(open_dataset("camvid", camvid), batch_size=3))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_keeps_its_sentence_on_the_way_from_a_worker(camvid: Path, workers: int) -> None:
    dataset = open_dataset("camvid", camvid)
    (camvid / "train/b.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        list(Loader(dataset, workers=workers))
    assert str(caught.value) == f"{camvid / 'train/b.png'}: it is empty"
