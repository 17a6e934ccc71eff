"""Switches `bf16` and `fp16`: activations wait for the backward pass in 16 bits, and are computed in float32.

Half of the memory of what is saved; the forward pass is exact, gradients carry the rounding of what they read (2^-9 of
a value for bf16, 2^-12 for fp16, which ends at 65504: larger values are kept as that). To compute in 16 bits as well,
which also takes less time on a GPU, use --precision. Weights and gradients stay as they are.
Source of the idea: Micikevicius et al. 2018, "Mixed Precision Training"; keeping only what is saved in 16 bits is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.saved_tensors import KeepsOtherwise, Layout, rewrites
from segbench.memory_optimisations.switch import Switch


@dataclass(frozen=True)
class Rounded:
    """Floats of 16 bits; shorter ones stay as they are."""

    dtype: torch.dtype

    def encode(self, tensor: Tensor) -> Tensor:
        if tensor.element_size() <= self.dtype.itemsize:
            return tensor
        most = torch.finfo(self.dtype).max
        return (tensor.clamp(-most, most) if self.dtype == torch.float16 else tensor).to(self.dtype)

    def decode(self, kept: Tensor, like: Layout) -> Tensor:
        return kept.to(like.dtype)


class KeepsBfloat16(KeepsOtherwise):
    """Before a network: saved activations are rounded to bfloat16."""

    codec = Rounded(torch.bfloat16)


class KeepsFloat16(KeepsOtherwise):
    """Before a network: saved activations are rounded to float16."""

    codec = Rounded(torch.float16)


def _switch(name: str, kind: type[KeepsOtherwise], other: str) -> Switch:
    def apply(network: nn.Module, _value: str) -> int:
        mix_in(kind, network)
        return rewrites(network)

    excluded = frozenset({other, "save-on-cpu", "compress", "inplace-abn", "reversible"})
    return Switch(name, apply, exact=False, works_on="networks with trainable parameters", excludes=excluded)


BFLOAT16 = _switch("bf16", KeepsBfloat16, "fp16")
FLOAT16 = _switch("fp16", KeepsFloat16, "bf16")
