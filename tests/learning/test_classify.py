"""A head on a body it does not know, and a folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from segbench.cards.card import Recipe
from segbench.errors import DataError, UserError
from segbench.learning.classify import PROBE_CLASSES, Classification, ImageClassifier, accuracy
from segbench.learning.feed import Feed
from segbench.learning.image_folder import CENTRE, ImageAugmenter, ImageFolder
from segbench.learning.plan import TrainingPlan
from segbench.learning.trainer import Trainer, TrainingJob
from segbench.learning.weights import load_matching
from segbench.zoo import Moment

CPU = torch.device("cpu")


class TwoEnds(nn.Module):
    """A body with two class convolutions of different inputs, as SegNode has four."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, 2, 1)
        self.second = nn.Conv2d(4, 6, 3, 2, 1)
        self.ends = nn.ModuleList([nn.Conv2d(4, classes, 1), nn.Conv2d(6, classes, 1)])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        large = self.first(images).relu()
        small = self.second(large).relu()
        maps = self.ends[0](large) + functional.interpolate(self.ends[1](small), size=large.shape[-2:])
        return functional.interpolate(maps, size=images.shape[-2:])


def folder(root: Path, count: int = 6) -> Path:
    for split in ("train", "val"):
        for name, level in (("bright", 200), ("dark", 40)):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                image = np.random.default_rng(number).integers(level - 30, level + 30, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(image).save(root / split / name / f"{number}.{'jpg' if number % 2 else 'png'}")
    return root


def plan(**changes: object) -> TrainingPlan:
    values = {"recipe": Recipe(optimizer="adamw", lr=0.02, batch_size=4), "width": 16, "height": 16, "steps": 40}
    return TrainingPlan(**{**values, "augmentation": CENTRE, **changes})  # type: ignore[arg-type]


def test_the_head_reads_what_every_class_convolution_reads():
    network = ImageClassifier(TwoEnds(PROBE_CLASSES), 5)
    assert network.linear.in_features == 4 + 6
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 5)
    assert not any(parameter.requires_grad for parameter in network.body.ends.parameters())


def test_a_body_without_class_convolutions_is_refused():
    with pytest.raises(UserError, match="ReLU has no convolution"):
        ImageClassifier(nn.ReLU(), 5)


def test_a_pretrained_body_goes_into_the_segmentation_network():
    pretrained = ImageClassifier(TwoEnds(PROBE_CLASSES), 5)
    network = TwoEnds(11)
    match = load_matching(network, pretrained.state_dict())
    assert set(match.loaded) == {"first.weight", "first.bias", "second.weight", "second.bias"}
    assert len(match.reshaped) == 4 and match.unused == ("linear.weight", "linear.bias")
    assert torch.equal(network.first.weight, pretrained.body.first.weight)


def test_a_folder_of_images_is_classes_by_name(tmp_path):
    images = ImageFolder(folder(tmp_path), "train")
    assert images.class_names == ("bright", "dark") and len(images) == 12
    assert [number for _, number in images.files] == [0] * 6 + [1] * 6
    assert images.image(0, shortest=16).shape == (40, 50, 3)
    assert images.fingerprint == ImageFolder(tmp_path, "train").fingerprint
    (tmp_path / "train" / "dark" / "5.jpg").unlink()
    assert images.fingerprint != ImageFolder(tmp_path, "train").fingerprint


def test_missing_and_broken_images_are_named(tmp_path):
    with pytest.raises(DataError, match=r"\{train,val\}/CLASS"):
        _ = ImageFolder(tmp_path, "train").class_names
    (tmp_path / "train" / "empty").mkdir(parents=True)
    with pytest.raises(DataError, match="no image"):
        _ = ImageFolder(tmp_path, "train").files
    (tmp_path / "train" / "empty" / "x.png").write_text("no")
    with pytest.raises(DataError, match=r"x\.png"):
        ImageFolder(tmp_path, "train").image(0, 8)


def test_bright_and_dark_are_learnt(tmp_path):
    images, settings = folder(tmp_path / "data"), plan()
    torch.manual_seed(0)
    network = ImageClassifier(TwoEnds(PROBE_CLASSES), 2)
    summary = Trainer(
        TrainingJob(
            objective=Classification(network),
            feed=Feed(ImageAugmenter(ImageFolder(images, "train"), settings), 0),
            plan=settings,
            device=CPU,
            folder=tmp_path / "run",
            facts={"model": "two ends", "data": "folder"},
            validate=lambda candidate: accuracy(candidate, ImageFolder(images, "val"), settings, CPU),
            scores=("image_accuracy",),
        )
    ).run()
    assert summary.best == 1.0


def test_the_loss_is_a_sum_with_the_count_as_its_weight():
    scores = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    objective = Classification(nn.Identity(), smoothing=0.0)
    targets = torch.tensor([0, 0])
    mean = objective(scores, targets, Moment(0.0, 0.0)) / objective.weight(targets)
    torch.testing.assert_close(mean, functional.cross_entropy(scores, targets))


def test_a_network_that_answers_nan_has_no_accuracy(tmp_path):
    class Spoilt(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))[:, :2] * float("nan")

    images = ImageFolder(folder(tmp_path), "val")
    with pytest.raises(UserError, match="NaN or infinity"):
        accuracy(Spoilt(), images, plan(), CPU)
