"""torchvision: the builders of `torchvision.models.segmentation`."""

from __future__ import annotations

from typing import Any

from torch import nn

from segbench.libraries.library import library, require_known
from segbench.libraries.traits import Traits, with_traits

_AUXILIARY_WEIGHT = 0.5
"""Of the auxiliary output (`criterion` of torchvision's references/segmentation/train.py)."""


def build(architecture: str, classes: int = 11, **arguments: Any) -> nn.Module:
    """The network of a builder.

    Args:
        architecture: the builder's name, as in `deeplabv3_resnet50`.
        classes: of the logits.
        arguments: of the builder: `aux_loss`, `weights`, `weights_backbone`.

    Raises:
        UnknownName: no such builder.
        CardError: the library is not installed.
    """
    known = names()["network"]
    from torchvision.models import get_model

    require_known("builder of torchvision.models.segmentation", [architecture], known)
    network = get_model(architecture, num_classes=classes, **arguments)
    return with_traits(network, Traits(aux_weight=_AUXILIARY_WEIGHT))


def names() -> dict[str, list[str]]:
    """What `build` knows.

    Raises:
        CardError: the library is not installed.
    """
    with library("torchvision", "torchvision"):
        import torchvision
    return {"network": torchvision.models.list_models(module=torchvision.models.segmentation)}
