"""A config of mmsegmentation: `mmseg:pspnet_r50-d8_4xb2-40k_cityscapes-512x1024`, or `mmseg:my/config.py`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segbench.cards.card import InputSize, ModelCard, Recipe
from segbench.cards.sources.library import Library
from segbench.cards.sources.mmseg_config import Config, config_paths, read_config
from segbench.cards.spec import ModelSpec
from segbench.cards.validation import validated
from segbench.errors import CardError, UnknownName

_INSTALL = "pip install mmsegmentation mmengine 'mmcv-lite<2.2' ftfy regex"
"""mmcv-lite is mmcv without compiled operators; mmsegmentation 1.2.2 wants it below 2.2, and does not ask for ftfy."""

_OPTIMIZERS = {"SGD": "sgd", "AdamW": "adamw", "Adam": "adamw"}


class Mmsegmentation(Library):
    """Its network with its own losses and auxiliary heads; crop, batch per GPU and optimizer become the defaults."""

    def split(self, text: str) -> tuple[str, str]:
        """A user's config by its absolute path."""
        place, name = super().split(text)
        return place, str(Path(name).expanduser().resolve()) if name.endswith(".py") else name

    def card(self, spec: ModelSpec) -> ModelCard:
        path = _path_of(spec.name)
        config = read_config(path)
        if _at(config, "model", "decode_head") is None:
            raise CardError(
                f"config {path.name} has no model with a decode_head, so that it is no segmentation network"
            )
        users = {"digest": _digest(config)} if spec.name.endswith(".py") else {}
        own = {
            "title": f"{path.stem} of {self.package}",
            "own_conditions": True,
            "note": "; ".join(_notes(config)),
            "input": _crop(config, path),
            "recipe": _recipe(config, path),
        }
        return super().card(spec).model_copy(update=own).with_arguments(users)


MMSEG = Mmsegmentation(
    "mmseg", "mmsegmentation", argument="config", example="mmseg:pspnet_r50-d8_4xb2-40k_cityscapes-512x1024"
)


def _path_of(name: str) -> Path:
    """Of an installed config or of the user's.

    Raises:
        UnknownName: no such config.
        CardError: mmsegmentation is not installed.
    """
    if name.endswith(".py"):
        return Path(name)
    if not config_paths():
        raise CardError(f"mmseg:{name} needs mmsegmentation: {_INSTALL}")
    if name not in config_paths():
        raise UnknownName("config of mmsegmentation", name, config_paths(), "or give mmseg:path/config.py")
    return config_paths()[name]


def _digest(config: Config) -> str:
    """Of all that a user's config says: an edited one is another network to the ledger."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _crop(config: Config, path: Path) -> InputSize:
    """Of a training image, which configs write as (height, width) or as one number."""
    size = config.get("crop_size") or _at(config, "model", "data_preprocessor", "size")
    if size is None:
        return InputSize()
    height, width = (size, size) if isinstance(size, int) else size
    return validated(InputSize, {"width": width, "height": height}, path, "config")


def _recipe(config: Config, path: Path) -> Recipe:
    optimizer = _optimizer(config)
    kind = _OPTIMIZERS.get(str(optimizer.get("type")), "sgd")
    decay = 0.01 if optimizer.get("type") == "AdamW" else 0.0  # torch's own, where the config is silent
    polynomial = _scheduler(config, "PolyLR")
    warmup = _scheduler(config, "LinearLR")
    clip = _at(config, "optim_wrapper", "clip_grad", "max_norm")
    return validated(
        Recipe,
        {
            "optimizer": kind,
            "lr": optimizer.get("lr", 0.01),
            "momentum": optimizer.get("momentum", 0.0) if kind == "sgd" else None,
            "weight_decay": optimizer.get("weight_decay", decay),
            "schedule": "constant" if polynomial is None else "poly",
            "power": 0.9 if polynomial is None else polynomial.get("power", 1.0),
            "batch_size": _at(config, "train_dataloader", "batch_size") or Recipe().batch_size,
            "warmup_steps": 0 if warmup is None or warmup.get("by_epoch", True) else warmup.get("end", 0),
            "clip": clip,
        },
        path,
        "config",
    )


def _notes(config: Config) -> Iterator[str]:
    """What the card cannot say as the config does."""
    kind = _optimizer(config).get("type")
    if kind not in (None, "SGD", "AdamW"):
        yield f"its optimizer {kind} stands as {_OPTIMIZERS.get(str(kind), 'sgd')}"
    if _at(config, "optim_wrapper", "type") == "AmpOptimWrapper":
        yield "trained in mixed precision: --precision fp16"
    if _at(config, "optim_wrapper", "paramwise_cfg"):
        yield "its learning rates and decays of single parameters are left out"
    if _scheduler(config, "MultiStepLR") is not None:
        yield "its learning rate falls in steps, here it is constant"


def _optimizer(config: Config) -> Config:
    return _at(config, "optim_wrapper", "optimizer") or config.get("optimizer") or {}


def _scheduler(config: Config, kind: str) -> Config | None:
    items = config.get("param_scheduler") or []
    return next((item for item in ([items] if isinstance(items, dict) else items) if item.get("type") == kind), None)


def _at(config: Any, *path: str) -> Any:
    """What stands at a place; None where nothing does."""
    for name in path:
        config = config.get(name) if isinstance(config, dict) else None
    return config
