"""Networks of mmsegmentation, built from its configs with its own heads and losses.

mmsegmentation imports compiled operators of mmcv that its usual networks never call. Where only mmcv-lite is installed,
stand-ins take their places, which refuse when they are called.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.cards.dataset_card import IGNORE
from segbench.cards.sources.mmseg_config import Config, config_paths, read_config
from segbench.errors import CardError
from segbench.libraries.library import library
from segbench.libraries.traits import Traits, with_traits

_EDGES = "GenerateEdge"
"""The transform that makes a map of edges of the labels (PIDNet)."""
_SYNCHRONISED = ("SyncBN", "MMSyncBN", "NaiveSyncBN")


class Segmentor(nn.Module):
    """A segmentor of mmsegmentation.

    Args:
        network: an `EncoderDecoder`, or what is used as one.
        notes: how it differs from its config, for people.
        edges: width of the edges between classes that its loss reads beside the labels; None where it reads none.
    """

    def __init__(self, network: nn.Module, notes: list[str], edges: int | None = None) -> None:
        super().__init__()
        self.network: Any = network
        self.notes = tuple(notes)
        self._edges = edges

    def forward(self, images: Tensor) -> Tensor:
        """Class scores `(N, classes, H, W)` of the whole image, by the rule of the decode head."""
        scores: Tensor = self.network.encode_decode(images, [_facts(images)] * len(images))
        return scores

    def training_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the config's losses, those of auxiliary heads among them, as MMEngine's `parse_losses` has it.

        Args:
            images: `(N, 3, H, W)`.
            labels: `(N, H, W)`, 255 for pixels that do not count.
        """
        samples = [_sample(images, label, self._edges) for label in labels]
        losses = self.network.loss(images, samples)
        parts = [item for name, item in losses.items() if "loss" in name]
        return torch.stack(
            [item.mean() for part in parts for item in (part if isinstance(part, list) else [part])]
        ).sum()


def build(config: str, classes: int = 19, digest: str | None = None) -> nn.Module:  # noqa: ARG001
    """The network of a config, with weights as its layers draw them.

    Args:
        config: a name of the installed package, or a path.
        classes: of all heads.
        digest: of a user's config, for the ledger alone.

    Raises:
        CardError: the config cannot be read, or the library is not installed.
    """
    notes: list[str] = []
    path = Path(config) if config.endswith(".py") else config_paths()[config]
    described = read_config(path)
    model = {**_alone(described["model"], {classes_of(described): classes}, notes), "data_preprocessor": None}
    with library("mmseg", "mmsegmentation"), _quiet():
        _stand_in_for_operators()
        import mmseg.models  # noqa: F401  # registers them
        from mmengine.config import ConfigDict
        from mmengine.registry import init_default_scope
        from mmseg.registry import MODELS

        _import_all(described.get("custom_imports", {}).get("imports", []))
        init_default_scope("mmseg")
        edges = [item.get("edge_width", 3) for item in described.get("train_pipeline", []) if item["type"] == _EDGES]
        network = Segmentor(MODELS.build(ConfigDict(model)), list(dict.fromkeys(notes)), *edges[:1])
    return with_traits(network, _traits(described))


def _traits(config: Config) -> Traits:
    """What is taken out of the images, which configs write for pixels from 0 to 255, and the heads beside the last."""
    heads = config["model"].get("auxiliary_head") or []
    found = config.get("data_preprocessor") or config["model"].get("data_preprocessor") or {}
    mean, std = (tuple(value / 255 for value in found.get(name) or ()) for name in ("mean", "std"))
    auxiliary = len(heads) if isinstance(heads, (list, tuple)) else 1
    return Traits(mean=mean or None, std=std or None, loss="the losses of its config", auxiliary=auxiliary)


def names() -> dict[str, list[str]]:
    """What `build` knows; nothing is imported."""
    return {"network": list(config_paths())}


def classes_of(config: Config) -> int | None:
    """Of the last decode head, or of the one that K-Net's last one starts from; None where it does not say."""
    heads = config["model"]["decode_head"]
    head = heads[-1] if isinstance(heads, (list, tuple)) else heads
    found: int | None = {**head.get("kernel_generate_head", {}), **head}.get("num_classes")
    return found


def _alone(item: Any, classes: dict[int | None, int], notes: list[str]) -> Any:
    """A part of a config for one device, without pretrained weights, at another number of classes.

    Args:
        classes: the config's number -> the one wanted; other numbers are of other things, such as STDC's edges.
    """
    if isinstance(item, (list, tuple)):
        return type(item)(_alone(part, classes, notes) for part in item)
    if not isinstance(item, dict):
        return item
    found = {name: _alone(part, classes, notes) for name, part in item.items() if name != "pretrained"}
    if found.get("type") in _SYNCHRONISED:
        found["type"] = "BN"
        notes.append("SyncBN of the config is BatchNorm on one device")
    if "checkpoint" in (found.get("init_cfg") or {}):
        found["init_cfg"] = None
    if found.get("num_classes") in classes:
        found["num_classes"] = classes[found["num_classes"]]
    weights, ((own, wanted),) = found.get("class_weight"), classes.items()
    suits = (wanted, wanted + 1) if own == wanted else (wanted,)  # mask classification has one for no object
    if isinstance(weights, (list, tuple)) and len(weights) not in suits:
        del found["class_weight"]
        notes.append(f"class weights of the config are for {len(weights)} classes, not {wanted}, and are left out")
    return found


def _facts(images: Tensor) -> dict[str, Any]:
    """What a head wants to know of an image."""
    size = tuple(images.shape[2:])
    return {"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0, 0, 0, 0]}


def _sample(images: Tensor, label: Tensor, edges: int | None) -> Any:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    maps = {"gt_sem_seg": label[None]} | ({} if edges is None else {"gt_edge_map": edges_of(label, edges)})
    return SegDataSample(metainfo=_facts(images), **{name: PixelData(data=item) for name, item in maps.items()})


def edges_of(label: Tensor, width: int) -> Tensor:
    """1 where two classes meet within two by two pixels, widened to a square of `width`: `(1, H, W)` of `(H, W)`.

    As mmsegmentation's `GenerateEdge`, up to a pixel's place.
    """
    ignored = label == IGNORE
    most = functional.max_pool2d(label.float().masked_fill(ignored, -1)[None], 2, 1)
    least = -functional.max_pool2d(-label.float().masked_fill(ignored, IGNORE)[None], 2, 1)
    meets = functional.pad((most > least).float(), (0, 1, 0, 1))
    return functional.max_pool2d(meets, width, 1, width // 2)[:, : label.shape[0], : label.shape[1]].long()


def _import_all(modules: str | list[str]) -> None:
    """What a config needs beside mmsegmentation, as its `custom_imports` say: mmpretrain's backbones, a user's own."""
    for module in [modules] if isinstance(modules, str) else modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            package = module.partition(".")[0]
            raise CardError(f"the config needs {package}, which cannot be imported ({error}); install it") from error


def _stand_in_for_operators() -> None:
    """Puts a stand-in in the place of mmcv's compiled operators where there are none."""
    try:
        importlib.import_module("mmcv._ext")
    except ImportError:
        operators = ModuleType("mmcv._ext")
        operators.__getattr__ = _missing  # type: ignore[method-assign]
        sys.modules["mmcv._ext"] = operators


_WRITE_INTO_ARGUMENTS = ("psamask_forward", "psamask_backward")
"""Operators that make no tensor: they write into one they are given, so that on `meta` there is nothing to do."""


def _missing(name: str) -> Callable[..., object]:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _WRITE_INTO_ARGUMENTS:
        return partial(_write_nothing, name)

    return partial(_refuse, name)


def _write_nothing(name: str, *tensors: object, **_: object) -> None:
    if not (tensors and isinstance(tensors[0], Tensor) and tensors[0].is_meta):
        _refuse(name)


def _refuse(name: str, *_: object, **__: object) -> object:
    raise NotImplementedError(f"this network calls {name}, a compiled operator; install mmcv in place of mmcv-lite")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines of MMEngine's registries."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
