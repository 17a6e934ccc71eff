"""Reads the weight files of HRNet's authors into `HRNetV2`: their names, their wrappers, their classifiers.

Files of HRNet-Semantic-Segmentation and HRNet-Image-Classification name parameters alike (`lib/models/seg_hrnet.py`,
`lib/models/cls_hrnet.py`); the latter end with layers of their own (`incre_modules`, `downsamp_modules`,
`final_layer`, `classifier`) that a segmentation network has no use for. Files trained through `DataParallel` or the
repository's `FullModel` carry `module.` or `model.` before each name, checkpoints wrap all in `state_dict`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from segbench.errors import CheckpointError
from segbench.zoo.hrnet import HRNetV2

_PREFIX = re.compile(r"^(?:module\.|model\.)+")

_BLOCK_LAYERS = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2", "6": "conv3", "7": "bn3"}
"""Position in the flat body of our residual blocks -> the authors' attribute; 2 and 5 are ReLUs."""

_OCR_PARTS = {
    "auxiliary": "aux_head",
    "pixels": "conv3x3_ocr",
    "classifier": "cls_head",
    "merge": "ocr_distri_head.conv_bn_dropout",
    "attention.query": "ocr_distri_head.object_context_block.f_pixel",
    "attention.key": "ocr_distri_head.object_context_block.f_object",
    "attention.value": "ocr_distri_head.object_context_block.f_down",
    "attention.output": "ocr_distri_head.object_context_block.f_up",
}
"""Of the OCR head -> the authors' attribute (branch HRNet-OCR, `lib/models/seg_hrnet_ocr.py`)."""

_HEADS = ("last_layer.", "aux_head.", "conv3x3_ocr.", "ocr_distri_head.", "cls_head.")

_OPTIONAL = "num_batches_tracked"
"""Files older than PyTorch 0.4.1 do not have it, and nothing is computed from it."""


@dataclass(frozen=True)
class Loaded:
    """What a weight file gave.

    Attributes:
        loaded: official names that were copied.
        missing: official names the network has and the file has not, or has in another shape; head only.
        unused: names of the file for which the network has no place.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]


def official_key_map(network: HRNetV2) -> dict[str, str]:
    """The authors' name of every parameter and buffer -> ours."""
    return {official_name(name): name for name in network.state_dict()}


def official_name(name: str) -> str:
    """The authors' name for one of ours: `front.stem.0.weight` -> `conv1.weight`."""
    name = name.removeprefix("front.")
    name = re.sub(r"^stem\.(\d)", lambda found: _BLOCK_LAYERS[found[1]], name)
    name = re.sub(r"\bbody\.(\d)", lambda found: _BLOCK_LAYERS[found[1]], name)
    name = re.sub(r"^stage1\.", "layer1.", name).replace(".shortcut.", ".downsample.")
    name = re.sub(r"\bfuse\.(\d)\.(\d)\.(\d)", _official_fuse, name)
    name = re.sub(r"^transition1\.1\.", "transition1.1.0.", name)
    name = re.sub(r"^transition([23])\.", lambda found: f"transition{found[1]}.{found[1]}.0.", name)
    for own, theirs in _OCR_PARTS.items():
        name = re.sub(rf"^head\.{own}\.", f"{theirs}.", name)
    name = re.sub(r"^(ocr_distri_head\..*)\.(\d)\.", _official_pair, name)
    return name.replace("head.layers.", "last_layer.")


def _official_pair(found: re.Match[str]) -> str:
    """In the attention, the authors wrap norm and ReLU in a `Sequential`; ours are flat triples."""
    triple, place = divmod(int(found[2]), 3)
    return f"{found[1]}.{2 * triple}." if place == 0 else f"{found[1]}.{2 * triple + 1}.0."


def _official_fuse(found: re.Match[str]) -> str:
    """Going down, each convolution of the authors' chains has a `Sequential` of its own; ours are flat triples."""
    target, source, place = (int(digit) for digit in found.groups())
    inner = f"{place // 3}.{place % 3}" if target > source else str(place)
    return f"fuse_layers.{target}.{source}.{inner}"


def load_official_state_dict(network: HRNetV2, state: Mapping[str, Any]) -> Loaded:
    """Copies an official state into the network; the head may differ (another number of classes, ImageNet files).

    Raises:
        CheckpointError: the body lacks a weight or has it in another shape: the file is of another network.
    """
    given = {_PREFIX.sub("", name): value for name, value in _unwrapped(state).items() if isinstance(value, Tensor)}
    ours, mapping = network.state_dict(), official_key_map(network)
    fitting = {name for name, own in mapping.items() if name in given and given[name].shape == ours[own].shape}
    missing = tuple(name for name in mapping if name not in fitting and not name.endswith(_OPTIONAL))
    for name in missing:
        if not name.startswith(_HEADS):
            found = f"the shape {tuple(given[name].shape)}" if name in given else "no such weight"
            wanted = tuple(ours[mapping[name]].shape)
            raise CheckpointError(
                f"the file does not fit this HRNetV2: {name} should have the shape {wanted}, the file has {found}; "
                "take a file of the same widths"
            )
    network.load_state_dict({mapping[name]: given[name] for name in fitting}, strict=False)
    return Loaded(
        tuple(name for name in mapping if name in fitting),
        missing,
        tuple(name for name in given if name not in fitting),
    )


def _unwrapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = state.get("state_dict")
    return inner if isinstance(inner, Mapping) else state
