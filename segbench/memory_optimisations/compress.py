"""Switch `compress`: activations wait for the backward pass in 8 bits, with a scale for every 256 of them.

A quarter of the memory of what is saved, two numbers a group more; the forward pass is exact, gradients are not (errors
of some 1e-3, which a test bounds). Signs and zeros survive exactly, since a ReLU's gradient asks for nothing else: with
plain rounding, small positive values became zeros and that was most of the error (6.6e-2 instead of 2.8e-3, our study).
Source: Chen et al. 2021 (ActNN) and Liu et al. 2022 (GACT), whose packages ask for old releases of torch. They round at
random, so that the mean error is zero; here values are rounded to the nearest, which halves the largest error and draws
no random numbers, on which a network's dropout may depend.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.saved_tensors import KeepsOtherwise, Layout, rewrites
from segbench.memory_optimisations.switch import Switch

GROUP = 256
"""Values that share a scale (ActNN's)."""
_LEVELS = 254
"""Steps over a group's range: one less than 8 bits have, for its ends are moved outwards to multiples of a step."""
_FINEST = 2.0**-22
"""Of the largest value, the smallest step: so many of them are whole numbers that float32 holds."""
_CHUNK = 2**23
"""Values worked on at once, so that what the arithmetic makes on its way stays small."""


@dataclass(frozen=True)
class Codes:
    """A tensor of n values in groups.

    Attributes:
        codes: `(n,)` uint8, steps above the group's lowest.
        lowest: `(groups, 1)` float32, in steps above zero.
        steps: `(groups, 1)` float32, one step's height.
    """

    codes: Tensor
    lowest: Tensor
    steps: Tensor


class EightBits:
    """The codec."""

    def encode(self, tensor: Tensor) -> Codes:
        return quantise(_flat(tensor))

    def decode(self, kept: Codes, like: Layout) -> Tensor:
        stride = like.stride if like.is_dense else torch.empty(like.shape, device="meta").stride()
        tensor = torch.empty_strided(like.shape, stride, dtype=like.dtype, device=like.device)
        restore(kept, _flat(tensor))
        return tensor


def quantise(values: Tensor) -> Codes:
    """The nearest multiples of each group's step, zero for zeros alone.

    Args:
        values: `(n,)` floats; the last group may be short.
    """
    groups = -(-len(values) // GROUP)
    codes = torch.empty(len(values), dtype=torch.uint8, device=values.device)
    lowest, steps = (torch.empty(groups, 1, dtype=torch.float32, device=values.device) for _ in range(2))
    for rows, places, which in _chunks(values, codes):
        _quantise_rows(rows.float(), places, lowest[which], steps[which])
    return Codes(codes, lowest, steps)


def restore(kept: Codes, into: Tensor) -> None:
    """Writes the values `(n,)` again."""
    for rows, codes, which in _chunks(into, kept.codes):
        rows.copy_(codes.float().add_(kept.lowest[which]).mul_(kept.steps[which]))


def _quantise_rows(rows: Tensor, codes: Tensor, lowest: Tensor, steps: Tensor) -> None:
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    furthest = torch.maximum(high, -low).mul_(_FINEST)
    step = torch.maximum((high - low).div_(_LEVELS), furthest).clamp_min_(torch.finfo(torch.float32).tiny)
    whole = (rows / step).round_()
    whole.add_(rows.sign().mul_(whole == 0))
    low = low.div_(step).floor_()
    lowest.copy_(low)
    steps.copy_(step)
    codes.copy_(whole.sub_(low))


def _chunks(values: Tensor, codes: Tensor) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Rows of whole groups, as many as a chunk holds, then the short group; views of both and which groups they are."""
    whole = len(values) // GROUP * GROUP
    for start in range(0, whole, _CHUNK):
        end = min(start + _CHUNK, whole)
        groups = slice(start // GROUP, end // GROUP)
        yield values[start:end].view(-1, GROUP), codes[start:end].view(-1, GROUP), groups
    if whole < len(values):
        yield values[whole:].view(1, -1), codes[whole:].view(1, -1), slice(whole // GROUP, None)


def _flat(tensor: Tensor) -> Tensor:
    """All values `(n,)`: in the order of the memory where there are no gaps, else a copy."""
    if not Layout.of(tensor).is_dense:
        return tensor.contiguous().view(-1)
    return tensor.as_strided((tensor.numel(),), (1,))


class KeepsEightBits(KeepsOtherwise):
    """Before a network: saved activations are compressed to 8 bits."""

    codec = EightBits()


def _apply(network: nn.Module, value: str) -> int:
    if value not in ("", "8bit"):
        raise UserError(f"switch 'compress' has no {value!r}; it knows 8bit, the fewest whose errors are small")
    mix_in(KeepsEightBits, network)
    return rewrites(network)


COMPRESS = Switch(
    "compress",
    _apply,
    exact=False,
    works_on="networks with trainable parameters",
    values="8bit",
    excludes=frozenset({"bf16", "fp16", "save-on-cpu", "inplace-abn", "reversible"}),
)
