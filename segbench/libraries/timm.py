"""timm: the maps of a backbone's stages, and a head over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from segbench.errors import UserError
from segbench.libraries.library import found, library, require_known
from segbench.libraries.traits import Traits, with_traits
from segbench.zoo.heads import HEADS

_STAGES = 4
"""That a head reads: the last ones, as every head's paper has it."""

_HEAD_ARGUMENTS = "head_"
"""Begin of the names of arguments that are the head's."""


class Headed(nn.Module):
    """A backbone and a head.

    Args:
        backbone: gives a list of maps, finest first.
        head: reads it.
        channels: of the maps; some backbones of timm have them last.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, channels: list[int]) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self._channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Class scores at the stride of the head."""
        maps = zip(self.backbone(images), self._channels, strict=True)
        return self.head([_channels_first(item, count) for item, count in maps])  # type: ignore[no-any-return]


def build(
    backbone: str,
    head: str = "fcn",
    classes: int = 11,
    input_hw: tuple[int, int] | None = None,
    **arguments: Any,
) -> nn.Module:
    """A backbone of timm under a head of `segbench.zoo.heads`.

    Args:
        backbone: its name in timm.
        head: fcn, aspp, uper or segformer-mlp.
        classes: of the logits.
        input_hw: (H, W) of the images, for backbones of a fixed size.
        arguments: of the backbone (`in_chans`, `output_stride`, `out_indices`, ...), and behind `head_` of the head.

    Raises:
        UnknownName: no such backbone or head.
        UserError: a backbone of a fixed size that takes no other.
        CardError: the library is not installed.
    """
    with library("timm", "timm"):
        import timm
    require_backbone(backbone)
    make_head = found("head", head, HEADS)
    own = {name: arguments.pop(name) for name in [*arguments] if name.startswith(_HEAD_ARGUMENTS)}
    pretrained = timm.get_pretrained_cfg(backbone)
    body, divisor = _body(backbone, other_size(backbone, input_hw), arguments)
    channels = body.feature_info.channels()
    head_arguments = {name.removeprefix(_HEAD_ARGUMENTS): value for name, value in own.items()}
    traits = Traits(
        channels=arguments.get("in_chans", 3),
        divisor=divisor,
        mean=tuple(pretrained.mean) if pretrained else None,
        std=tuple(pretrained.std) if pretrained else None,
    )
    return with_traits(Headed(body, make_head(channels, classes, **head_arguments), channels), traits)


def require_backbone(name: str) -> None:
    """Raises:
    UnknownName: timm has no such backbone; near names are suggested.
    """
    import timm

    require_known("backbone of timm", [name.partition(".")[0]], timm.list_models())


def other_size(name: str, input_hw: tuple[int, int] | None) -> tuple[int, int] | None:
    """(H, W) of the images, where a backbone of a fixed size has to be built for them; else None."""
    import timm

    usual = timm.get_pretrained_cfg(name)
    return input_hw if usual and usual.fixed_input_size and input_hw != tuple(usual.input_size[1:]) else None


def names() -> dict[str, list[str]]:
    """What `build` knows.

    Raises:
        CardError: the library is not installed.
    """
    with library("timm", "timm"):
        import timm
    return {"network": timm.list_models(), "head": list(HEADS)}


def _body(name: str, input_hw: tuple[int, int] | None, arguments: Mapping[str, Any]) -> tuple[Any, int]:
    """The backbone with its last stages as outputs, and what its images' sides must divide by.

    Args:
        name, arguments: as in `build`.
        input_hw: (H, W) that it must be built for; None for one that takes any.
    """
    import timm

    usual: dict[str, Any] = {"features_only": True, "out_indices": tuple(range(-_STAGES, 0)), **arguments}
    if input_hw is None:
        return timm.create_model(name, **usual), 1
    try:
        body = timm.create_model(name, **{"img_size": input_hw, **usual})
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        _, height, width = timm.get_pretrained_cfg(name).input_size
        raise UserError(
            f"timm's {name} takes images of {width}x{height} only, and no img_size; take another backbone"
        ) from error
    strides = body.feature_info.reduction()
    divisor = strides[0] if len(set(strides)) == 1 else 1
    """Patches of one size at every stage, a plain ViT's: pixels that fill none would be cut off."""
    good = Traits(divisor=divisor).padded(input_hw)
    return body if good == input_hw else timm.create_model(name, **{"img_size": good, **usual}), divisor


def _channels_first(maps: Tensor, channels: int) -> Tensor:
    return maps if maps.shape[1] == channels else maps.permute(0, 3, 1, 2)
