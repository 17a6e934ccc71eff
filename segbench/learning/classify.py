"""Pretraining by classifying whole images: a head on any segmentation network's body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.learning.augment import MIDDLE, colour_jittered
from segbench.learning.feed import TrainingBatch
from segbench.learning.image_folder import CENTRE, ImageAugmenter, ImageFolder
from segbench.learning.objective import Objective
from segbench.learning.plan import TrainingPlan
from segbench.zoo import Moment

PROBE_CLASSES = 7
"""Bodies are built with this many classes: no layer of a body has this width, so the class convolutions are found."""


class ImageClassifier(nn.Module):
    """Classes of whole images, from what the body's own class convolutions read.

    Whatever these convolutions take in is averaged over the image, concatenated and mapped to the classes by one linear
    layer. So it works on any network that ends in convolutions to class scores (SegNode has four, HRNet one), and
    everything below the new layer keeps its name: `--init` then loads it into the segmentation network. The body's own
    class convolutions are not trained.

    Args:
        body: a network built with `PROBE_CLASSES` classes.
        classes: of the images.

    Raises:
        UserError: the body has no convolution to that many classes.
    """

    def __init__(self, body: nn.Module, classes: int) -> None:
        super().__init__()
        self.body = body
        ends = [
            layer for layer in body.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == PROBE_CLASSES
        ]
        if not ends:
            name = type(body).__name__
            raise UserError(f"{name} has no convolution to class scores, so no classification head can be put on it")
        self.linear = nn.Linear(sum(layer.in_channels for layer in ends), classes)
        self._seen: list[Tensor] = []
        for layer in ends:
            layer.requires_grad_(False)
            layer.register_forward_pre_hook(self._look)

    def forward(self, images: Tensor) -> Tensor:
        """`(N, 3, H, W)` -> class scores `(N, classes)`."""
        self._seen.clear()
        self.body(images)
        features = torch.cat([maps.mean((2, 3)) for maps in self._seen], dim=1)
        self._seen.clear()
        scores: Tensor = self.linear(features)
        return scores

    def _look(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        self._seen.append(inputs[0])


class Classification(Objective):
    """Cross-entropy over whole images.

    Args:
        network: gives `(N, classes)`.
        smoothing: share of the target spread over all classes.
    """

    def __init__(self, network: nn.Module, smoothing: float = 0.1) -> None:
        super().__init__()
        self.network = network
        self._smoothing = smoothing

    def forward(self, images: Tensor, targets: Tensor, moment: Moment) -> Tensor:  # noqa: ARG002  # every step is alike
        scores = self.network(images).float()
        return functional.cross_entropy(scores, targets, label_smoothing=self._smoothing, reduction="sum")

    def weight(self, targets: Tensor) -> Tensor:
        return torch.tensor(float(targets.numel()), device=targets.device)


@torch.no_grad()
def accuracy(network: nn.Module, folder: ImageFolder, plan: TrainingPlan, device: torch.device) -> Mapping[str, float]:
    """`image_accuracy`: the share of a split's images whose best class is right, on the centre crop.

    Raises:
        UserError: the network's answers are no finite numbers.
    """
    augmenter = ImageAugmenter(folder, replace(plan, augmentation=CENTRE))
    size = plan.recipe.batch_size
    network.eval()
    hits = 0
    for first in range(0, len(folder), size):
        crops = [augmenter(index, MIDDLE) for index in range(first, min(first + size, len(folder)))]
        batch = TrainingBatch(*(torch.stack(parts) for parts in zip(*crops, strict=True))).to(device)
        scores = network(colour_jittered(batch.images, batch.colours))
        if not torch.isfinite(scores).all():
            raise UserError("the network answers NaN or infinity in eval mode, which no class can be read from")
        hits += int((scores.argmax(1) == batch.targets).sum())
    return {"image_accuracy": hits / len(folder)}
