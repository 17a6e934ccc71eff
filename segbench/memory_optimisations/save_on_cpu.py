"""Switch `save-on-cpu`: activations wait for the backward pass in the host's memory.

Exact. The GPU keeps what it works on; every saved tensor crosses the bus twice, and the copies are not overlapped with
work, so that a step takes longer by two crossings of all that is saved. On the CPU nothing moves and nothing is saved.
Source: torch.autograd.graph.save_on_cpu, which copies a tensor again for every operator that saved it; here once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.saved_tensors import KeepsOtherwise, Layout, rewrites
from segbench.memory_optimisations.switch import Switch


class OnHost:
    """A copy in the host's memory, which cannot be swapped out where a GPU reads it."""

    def encode(self, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cuda":
            return tensor.to("cpu")
        copy = torch.empty_like(tensor, device="cpu", pin_memory=True)
        return copy.copy_(tensor)

    def decode(self, kept: Tensor, like: Layout) -> Tensor:
        return kept.to(like.device, non_blocking=True)


class KeepsOnHost(KeepsOtherwise):
    """Before a network: saved activations lie in the host's memory."""

    codec = OnHost()

    def gains_from(self, inputs: Sequence[Tensor]) -> bool:
        return any(tensor.is_cuda for tensor in inputs)


def _apply(network: nn.Module, _value: str) -> int:
    mix_in(KeepsOnHost, network)
    return rewrites(network)


SAVE_ON_CPU = Switch(
    "save-on-cpu",
    _apply,
    exact=True,
    works_on="networks with trainable parameters",
    excludes=frozenset({"bf16", "fp16", "compress"}),
)
