"""torchvision's classifiers as networks that can be predicted: their training has a loss of its own, on one label."""

from __future__ import annotations

import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class Classifier(nn.Module):
    """One of torchvision's classifiers; an image's label is that of the label map's first pixel."""

    def __init__(self, classes: int = 1000, architecture: str = "resnet50") -> None:
        super().__init__()
        self.network = torchvision.models.get_model(architecture, num_classes=classes)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores as a map of one pixel."""
        scores: Tensor = self.network(images)
        return scores[:, :, None, None]

    def training_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The classes' cross-entropy."""
        return cross_entropy(self.network(images), labels[:, 0, 0])
