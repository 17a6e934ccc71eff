"""torchvision: every builder of `torchvision.models.segmentation`."""

from __future__ import annotations

from segbench.cards.sources.library import Library

TORCHVISION = Library(
    "torchvision",
    "torchvision",
    argument="architecture",
    example="torchvision:deeplabv3_resnet50?aux_loss=true",
    defaults={"weights": None, "weights_backbone": None},
)
"""Without pretrained weights: torchvision's own default downloads those of the backbone."""
