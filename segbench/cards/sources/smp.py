"""segmentation_models_pytorch: every architecture over every encoder."""

from __future__ import annotations

from segbench.cards.sources.library import Library

SMP = Library(
    "smp",
    "segmentation_models_pytorch",
    argument="architecture",
    example="smp:Unet?encoder_name=resnet34",
    defaults={"encoder_weights": None},
)
"""Without pretrained weights, which would be downloaded."""
