"""segmentation_models_pytorch: an architecture over an encoder."""

from __future__ import annotations

from typing import Any

from torch import nn

from segbench.libraries.library import found, library
from segbench.libraries.traits import Traits, with_traits


def build(architecture: str, classes: int = 11, **arguments: Any) -> nn.Module:
    """An architecture of the library.

    Args:
        architecture: its class, as in `Unet`.
        classes: of the logits.
        arguments: of that class: `encoder_name`, `in_channels`, `decoder_channels`, ...

    Raises:
        UnknownName: no such architecture or encoder.
        CardError: the library is not installed.
    """
    with library("smp", "segmentation_models_pytorch"):
        import segmentation_models_pytorch as smp
    maker = found("architecture of segmentation_models_pytorch", architecture, _architectures())
    encoder = arguments.get("encoder_name", "")
    if encoder and not encoder.startswith("tu-"):
        found("encoder of segmentation_models_pytorch", encoder, dict.fromkeys(smp.encoders.get_encoder_names()))
    network = maker(classes=classes, **arguments)
    divisor = network.encoder.output_stride if network.requires_divisible_input_shape else 1
    return with_traits(network, Traits(channels=arguments.get("in_channels", 3), divisor=divisor))


def names() -> dict[str, list[str]]:
    """What `build` knows, by kind; encoders of timm go by `tu-` and timm's name.

    Raises:
        CardError: the library is not installed.
    """
    with library("smp", "segmentation_models_pytorch"):
        import segmentation_models_pytorch as smp
    return {"network": sorted(_architectures()), "encoder_name": sorted(smp.encoders.get_encoder_names())}


def _architectures() -> dict[str, Any]:
    import segmentation_models_pytorch as smp

    return {maker.__name__: maker for maker in smp.MODEL_ARCHITECTURES_MAPPING.values()}
