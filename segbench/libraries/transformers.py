"""Hugging Face transformers: networks of a configuration, trained by their own losses where these are more than
cross-entropy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import signature
from types import MethodType
from typing import Any

import torch
from torch import nn

from segbench.errors import CardError
from segbench.libraries.library import found, library, require_known
from segbench.libraries.mask_classification import MASK_LOSS, STAND_IN
from segbench.libraries.mask_classification import training_loss as mask_classification_loss
from segbench.libraries.traits import Traits, with_traits

_TASK_TOKENS = "task_inputs"


def build(
    network: str,
    classes: int = 11,
    input_hw: tuple[int, int] | None = None,
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
    configuration: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> nn.Module:
    """A network without weights, of a class's default configuration or of one in Hugging Face's cache.

    Args:
        network: the class, as in `SegformerForSemanticSegmentation`, or `owner/name` of a configuration in the cache.
        classes: of the logits.
        input_hw: (H, W) of the images, for networks of a fixed size.
        image_mean, image_std: taken out of the images; None for those of the network's image processor.
        configuration: of a file, in place of the class's defaults; older versions' keys are passed over.
        arguments: of the configuration.

    Raises:
        UnknownName: no such class, or the configuration has no such argument.
        CardError: the library is not installed, or the cache has no such configuration.
    """
    maker, made_of = _configured(network, classes, configuration or {}, arguments)
    traits = _traits(made_of, image_mean, image_std)
    if traits.square and input_hw and "image_size" not in arguments:
        made_of.image_size = traits.padded(input_hw)[0]
    made = maker(made_of)
    if _TASK_TOKENS in signature(made.forward).parameters:
        made.register_forward_pre_hook(_with_task, with_kwargs=True)
    return with_traits(made, _with_its_loss(made, traits))


_SQUARE = ("beit", "data2vec-vision", "dpt", "eomt", "eomt_dinov3", "sapiens2")
"""Model types that take the square images of their configuration's `image_size`, a multiple of their patches; found by
running each of transformers 5.24 on another shape."""


def names() -> dict[str, list[str]]:
    """The classes that give a map of classes, themselves or by mask classification.

    Raises:
        CardError: the library is not installed.
    """
    with library("transformers", "transformers"):
        from transformers.models.auto import modeling_auto
    semantic: Mapping[str, str] = modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES
    universal: Mapping[str, str] = modeling_auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES
    combined = (name for kind, name in universal.items() if kind not in _OTHER_ANSWERS)
    return {"network": sorted({*semantic.values(), *combined})}


_OTHER_ANSWERS = ("detr", "videomt")
"""Boxes with masks, and videos."""


def _configured(network: str, classes: int, usual: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[Any, Any]:
    """The class and its configuration: what a file has as usual, and arguments in its place."""
    known = names()["network"]
    import transformers

    if network.isidentifier():
        maker = found("network of transformers", network, {name: getattr(transformers, name) for name in known})
        known_arguments = [*dir(maker.config_class()), *usual]
        require_known(f"argument of {maker.config_class.__name__}", arguments, known_arguments)
        return maker, maker.config_class(**{"num_labels": classes, **usual, **arguments})
    try:
        configuration = transformers.AutoConfig.from_pretrained(
            network, local_files_only=True, num_labels=classes, **arguments
        )
    except (OSError, ValueError) as error:
        raise CardError(
            f"transformers: {network!r} is neither a folder with a config.json nor in the cache of Hugging Face, and"
            f" segbench downloads nothing; fetch it with 'hf download {network} config.json', or name a class, as"
            " 'segbench models --source transformers' lists them"
        ) from error
    (name, *_) = configuration.architectures or ["None"]
    return found("network of transformers", name, {item: getattr(transformers, item) for item in known}), configuration


def _traits(configuration: Any, mean: Sequence[float] | None, std: Sequence[float] | None) -> Traits:
    square = configuration.model_type in _SQUARE
    if not (mean and std):
        mean, std = _processed(configuration)
    return Traits(
        channels=getattr(configuration, "num_channels", 3),
        divisor=configuration.patch_size if square else 1,
        square=square,
        mean=tuple(mean) if mean else None,
        std=tuple(std) if std else None,
    )


def _with_its_loss(network: Any, traits: Traits) -> Traits:
    """Gives the network `training_loss` where the library's is more than the cross-entropy of the scores."""
    if "mask_labels" in signature(network.forward).parameters:
        network.training_loss = MethodType(mask_classification_loss, network)
        return replace(traits, loss=MASK_LOSS, assumed=STAND_IN)
    if getattr(network, "auxiliary_head", None) is None:
        return traits
    network.training_loss = MethodType(_library_loss, network)
    weight = network.config.auxiliary_loss_weight
    return replace(traits, loss=f"cross-entropy of two heads, the auxiliary one weighted {weight:g}", auxiliary=1)


def _library_loss(network: Any, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Main and auxiliary head, weighted as the configuration says."""
    return network(images, labels=labels).loss  # type: ignore[no-any-return]


def _with_task(network: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """OneFormer's second input, the tokens of its task: blank ones, on which its cost does not depend."""
    if _TASK_TOKENS in kwargs:
        return args, kwargs
    images = args[0] if args else kwargs["pixel_values"]
    tokens = torch.zeros(images.shape[0], network.config.task_seq_len, device=images.device)
    return args, {**kwargs, _TASK_TOKENS: tokens}


def _processed(configuration: Any) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    """Mean and deviation of the network's image processor."""
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    entry = IMAGE_PROCESSOR_MAPPING_NAMES.get(configuration.model_type, ())
    entries = entry.values() if isinstance(entry, Mapping) else [entry] if isinstance(entry, str) else entry
    for name in filter(None, entries):
        processor: Any = getattr(transformers, str(name), None)
        if getattr(processor, "image_mean", None):
            return processor.image_mean, processor.image_std
    return None, None
