"""segmentation_models_pytorch: an architecture over an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from math import lcm
from typing import Any

from torch import nn

from segbench.libraries.library import found, library, require_known
from segbench.libraries.timm import other_size, require_backbone
from segbench.libraries.traits import Traits, with_traits

_OF_TIMM = "tu-"
"""Begins the names of timm's encoders."""
_FURTHER = {"DPT": 32}
"""What images must divide by beside the encoder's stride: the last map of DPT's decoder is at stride 32."""


def build(architecture: str, classes: int = 11, input_hw: tuple[int, int] | None = None, **arguments: Any) -> nn.Module:
    """An architecture of the library.

    Args:
        architecture: its class, as in `Unet`.
        classes: of the logits.
        input_hw: (H, W) of the images, for timm's encoders of a fixed size.
        arguments: of that class: `encoder_name`, `in_channels`, `decoder_channels`, ...; also of an encoder of timm.

    Raises:
        UnknownName: no such architecture, encoder or argument.
        CardError: the library is not installed.
    """
    with library("smp", "segmentation_models_pytorch"):
        import segmentation_models_pytorch  # noqa: F401
    maker = found("architecture of segmentation_models_pytorch", architecture, _architectures())
    size = _size_to_build(maker, arguments, input_hw)
    network = maker(classes=classes, **{**({"img_size": size} if size else {}), **arguments})
    divisor = lcm(network.encoder.output_stride, _FURTHER.get(maker.__name__, 1))
    divisor = divisor if network.requires_divisible_input_shape else 1
    traits = Traits(channels=arguments.get("in_channels", 3), divisor=divisor)
    if size and traits.padded(size) != size:
        network = maker(classes=classes, **{"img_size": traits.padded(size), **arguments})
    return with_traits(network, traits)


def _size_to_build(maker: Any, arguments: Mapping[str, Any], input_hw: tuple[int, int] | None) -> Any:
    """(H, W) that timm's encoder has to be built for; None for those that need not.

    Raises:
        UnknownName: no such encoder or argument.
    """
    import segmentation_models_pytorch as smp

    own = signature(maker).parameters
    encoder = arguments.get("encoder_name", own["encoder_name"].default)
    if encoder.startswith(_OF_TIMM):
        require_backbone(encoder.removeprefix(_OF_TIMM))
        return other_size(encoder.removeprefix(_OF_TIMM), input_hw)
    found("encoder of segmentation_models_pytorch", encoder, dict.fromkeys(smp.encoders.get_encoder_names()))
    require_known(f"argument of {maker.__name__}", arguments, own)  # smp drops what it does not know
    return None


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
