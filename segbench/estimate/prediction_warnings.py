"""What is known to be predicted wrongly, as sentences that say why and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

VALIDATED = ("2.13",)
"""Releases of torch on which predictions were compared with real runs."""

_OWN_OPERATORS = ("aten", "prim", "prims", "profiler")
_aten = torch.ops.aten

CHANNELS_LAST = (
    "tensors are channels_last: cuDNN's persistent batch normalisation then keeps a reserve that is not counted, so "
    "that the prediction may be too low"
)


class PredictionWarnings:
    """Collects each sentence once.

    Attributes:
        sentences: in the order met.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        release = ".".join(torch.__version__.split(".")[:2])
        if release not in VALIDATED:
            self.add(f"torch {release} was not compared with real runs (only {', '.join(VALIDATED)} was)")

    def add(self, sentence: str) -> None:
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    def look_at(self, function: Any, args: Sequence[Any]) -> None:
        """Adds what an operator and its arguments give reason to doubt."""
        if function.namespace not in _OWN_OPERATORS:
            self.add(f"operator {function} is not torch's own: what its kernel allocates is unknown and not counted")
        if function is _aten.convolution.default and any(_is_channels_last(tensor) for tensor in args[:2]):
            self.add(CHANNELS_LAST)


def _is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
