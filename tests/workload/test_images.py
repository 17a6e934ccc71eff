from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from segbench.data import Sample
from segbench.errors import UserError
from segbench.libraries.traits import Traits
from segbench.records.case import Case
from segbench.workload import images
from segbench.workload.images import batch_source, normalise_images, real_batch

CPU = torch.device("cpu")


class TwoImages:
    """A white and a black image of 20x10 pixels, their labels 1 and 255."""

    classes = 2

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int, /) -> Sample:
        image = np.full((10, 20, 3), 255 * (1 - index), np.uint8)
        label = np.full((10, 20), 1 if index == 0 else 255, np.uint8)
        return Sample(image, label, str(index))


def test_real_images_are_resized_and_taken_again_from_the_start() -> None:
    images, labels = real_batch(TwoImages(), 3, height=6, width=8, device=CPU)
    assert images.shape == (3, 3, 6, 8)
    assert labels.dtype is torch.int64
    assert [int(label.unique()) for label in labels] == [1, 255, 1]
    assert torch.equal(images[0], images[2])


def test_normalised_white_is_one_minus_mean_over_deviation() -> None:
    white = normalise_images(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    assert white[0, :, 0, 0].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])


def test_random_batches_have_the_cases_size() -> None:
    images, labels = batch_source(Case("memory", "x", width=8, height=6, classes=3), CPU)(2)
    assert (images.shape, labels.shape) == ((2, 3, 6, 8), (2, 6, 8))
    assert int(labels.max()) < 3


def test_more_classes_than_the_network_gives_are_refused() -> None:
    with pytest.raises(UserError, match="use --classes"):
        batch_source(Case("memory", "x", dataset="synthetic", classes=2), CPU)


def test_the_constants_are_copied_to_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.zeros((1, 2, 2, 3), dtype=torch.uint8)
    expected = normalise_images(pictures)
    monkeypatch.setattr(torch, "tensor", lambda *_, **__: pytest.fail("copied again"))
    assert torch.equal(normalise_images(pictures), expected)


def test_constants_of_a_pretended_device_are_not_kept() -> None:
    with FakeTensorMode():
        images._mean_and_std(torch.device("cuda"))
    assert all(device.type != "cuda" for device, _ in images._KEPT)


def test_images_are_normalised_as_the_network_wants_them() -> None:
    pictures = torch.full((1, 1, 1, 3), 255, dtype=torch.uint8)
    found = normalise_images(pictures, Traits(mean=(0.5, 0.5, 0.0), std=(0.5, 0.25, 1.0)))
    assert found.flatten().tolist() == [1, 2, 1]


def test_a_network_of_other_channels_gets_random_images_of_them_and_no_real_ones() -> None:
    infrared = Traits(channels=4)
    images, _ = batch_source(Case("memory", "x", width=8, height=8), CPU, infrared)(2)
    assert images.shape == (2, 4, 8, 8)
    with pytest.raises(UserError, match="x takes images of 4 channels"):
        batch_source(Case("memory", "x", dataset="synthetic"), CPU, infrared)
