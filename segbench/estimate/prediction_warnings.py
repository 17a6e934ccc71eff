"""What is known to be predicted wrongly, as sentences that say why and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

VALIDATED = ("2.13", "2.14")
"""Releases of torch on which predictions were compared with real runs; 2.14 by `benchmarks/library_networks.py`."""

_OWN_OPERATORS = ("aten", "prim", "prims", "profiler", "c10d", "_c10d_functional", "fsdp")
_aten = torch.ops.aten

CHANNELS_LAST = (
    "tensors are channels_last: cuDNN's persistent batch normalisation then keeps a reserve that is not counted, so "
    "that the prediction may be too low"
)
RECURRENT = (
    "recurrent layers are predicted by their formula; cuDNN, and oneDNN on the CPU, keep a reserve of their own in "
    "training, so that the prediction may be far too low: on the CPU real steps took up to 2.4 times as much"
)
COMPILED = (
    "a part of the network is compiled by itself, and a compiler plans memory anew: predicted is what it takes "
    "uncompiled; measure on the device"
)
_DECLARED = ("torchvision",)
"""Libraries whose operators come with rules for their shapes, and whose kernels hold little beside their results ..."""
_WITH_COLUMNS = ("torchvision::deform_conv2d", "torchvision::_deform_conv2d_backward")
"""... but these, which unfold their input into columns."""


class PredictionWarnings:
    """Collects each sentence once.

    Attributes:
        sentences: in the order met.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        release = ".".join(torch.__version__.split(".")[:2])
        if release not in VALIDATED:
            self.add(f"torch {release} was not compared with real runs (only {' and '.join(VALIDATED)} were)")

    def copy(self) -> PredictionWarnings:
        """Another collection of the same sentences."""
        twin = PredictionWarnings()
        twin.sentences = list(self.sentences)
        return twin

    def add(self, sentence: str) -> None:
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    def look_at(self, function: Any, args: Sequence[Any]) -> None:
        """Adds what an operator and its arguments give reason to doubt."""
        if function.namespace not in _OWN_OPERATORS and _holds_unknown_buffers(function, args):
            self.add(f"operator {function} is not torch's own: what its kernel allocates is unknown and not counted")
        if function is _aten.native_batch_norm.default and args[5] and _is_channels_last(args[0]):
            self.add(CHANNELS_LAST)

    def look_at_modules(self, network: nn.Module) -> None:
        """Adds what the network's modules give reason to doubt."""
        for module in network.modules():
            if isinstance(module, nn.RNNBase):
                self.add(RECURRENT)
            if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:  # torch.compile, Module.compile
                self.add(COMPILED)


def _holds_unknown_buffers(function: Any, args: Sequence[Any]) -> bool:
    takes_tensors = any(isinstance(item, (torch.Tensor, list, tuple)) for item in args)
    return takes_tensors and (function.namespace not in _DECLARED or function._schema.name in _WITH_COLUMNS)


def _is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
