"""Keeping what autograd saves in another form: the ground of the switches that round, compress or move activations.

Source: torch.autograd.graph.saved_tensors_hooks. The forward pass is as it was; only what the backward pass reads
differs. Inputs, weights and buffers are alive anyway and stay as they are, as do small tensors and those of whole
numbers; copies of weights that autocast makes in 16 bits are activations here. A tensor that several operators save,
such as the output of a ReLU that the next convolution reads, is kept once; it is brought back for each of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from segbench.memory_optimisations.switch import Saving

SMALLEST = 1024
"""Elements: smaller tensors (means and deviations of norms) cost a launch and save nothing."""

MARK = "segbench.encode"
"""A profile's name for what is done here, within the operators whose tensors are saved."""


class Codec(Protocol):
    """Another form of a tensor: floats of any layout."""

    def encode(self, tensor: Tensor) -> Any:
        """What is kept."""

    def decode(self, kept: Any, like: Layout) -> Tensor:
        """The tensor again, as far as the form holds it."""


@dataclass(frozen=True)
class Layout:
    """What a tensor was, without its values."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor) -> Layout:
        return cls(tensor.shape, tensor.stride(), tensor.dtype, tensor.device)

    @property
    def is_dense(self) -> bool:
        """Whether every element has a place of its own and none is left out, in whatever order."""
        reach = 1
        for stride, size in sorted(zip(self.stride, self.shape, strict=True)):
            if size > 1 and stride != reach:
                return False
            reach *= size
        return True


class KeepsOtherwise(Saving):
    """Before a network: in training autograd's saved tensors take another form.

    Attributes:
        codec: the form.
    """

    codec: Codec

    def forward(self, *inputs: Any, **named: Any) -> Any:
        tensors = [item for item in tree_leaves((inputs, named)) if isinstance(item, Tensor)]
        if not (self.saving and self.training and torch.is_grad_enabled() and self.gains_from(tensors)):
            return super().forward(*inputs, **named)
        shelf = _Shelf(self.codec, _storages((*tensors, *self.parameters(), *self.buffers())))
        with torch.autograd.graph.saved_tensors_hooks(shelf.put, shelf.take):
            return super().forward(*inputs, **named)

    def gains_from(self, _inputs: Sequence[Tensor]) -> bool:
        """Whether the form takes less memory of the device on which these tensors are."""
        return True


@dataclass(eq=False)
class _Kept:
    """One tensor in its other form, and the storage it stood on for as long as that lives."""

    form: Any
    layout: Layout
    storage: weakref.ref[Any]


@dataclass
class _Shelf:
    """What one forward pass has put away."""

    codec: Codec
    alive_anyway: set[int]
    known: weakref.WeakValueDictionary[Any, _Kept] = field(default_factory=weakref.WeakValueDictionary)

    @torch.no_grad()
    def put(self, tensor: Tensor) -> Tensor | _Kept:
        storage = tensor.untyped_storage()
        if not tensor.is_floating_point() or tensor.numel() < SMALLEST or storage._cdata in self.alive_anyway:
            return tensor
        layout = Layout.of(tensor)
        key = storage._cdata, tensor.storage_offset(), layout, tensor._version
        kept = self.known.get(key)
        if kept is None or kept.storage() is not storage:  # another storage may have come to the same address
            with torch._C._profiler._RecordFunctionFast(MARK):
                form = self.codec.encode(tensor.detach())
            kept = self.known[key] = _Kept(form, layout, weakref.ref(storage))
        return kept

    @torch.no_grad()
    def take(self, kept: Tensor | _Kept) -> Tensor:
        return kept if isinstance(kept, Tensor) else self.codec.decode(kept.form, kept.layout)


def _storages(tensors: Iterable[Tensor]) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in tensors}


def rewrites(network: nn.Module) -> int:
    """How many places a codec for the whole network changes: the network itself, if there is anything to be saved."""
    return int(any(parameter.requires_grad for parameter in network.parameters()))
