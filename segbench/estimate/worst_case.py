"""Results whose shape depends on data nobody has: the largest they can be, and said so.

`x[mask]` gives as many elements as the mask has `True`s. On `meta` nobody knows how many; memory for all of them is an
upper bound, which a batch of the hardest images comes near to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from segbench.estimate.operators import by_identity

_aten = torch.ops.aten
_BINS = 256
"""Of a histogram without a least length: as many as a byte can tell apart, as labels and grey values have."""

Rule = Callable[..., Any]


def _nonzero(tensor: Tensor) -> Tensor:
    """One row an element; CUDA's rows lie column by column."""
    return torch.empty((max(tensor.ndim, 1), tensor.numel()), dtype=torch.int64, device="meta").t()[:, : tensor.ndim]


def _broadcast(tensor: Tensor, mask: Tensor) -> int:
    shape: torch.Size = torch.broadcast_shapes(tensor.shape, mask.shape)  # type: ignore[no-untyped-call]
    return shape.numel()


def _masked_select(tensor: Tensor, mask: Tensor) -> Tensor:
    return tensor.new_empty((_broadcast(tensor, mask),))


def _unique(tensor: Tensor, _sorted: bool = True, inverse: bool = False, counts: bool = False) -> Any:
    """Every element is another."""
    number = tensor.numel()
    return tensor.new_empty((number,)), _indices(tensor.shape, inverse), _indices((number,), counts)


def _unique_along(tensor: Tensor, along: int, _sorted: bool = True, inverse: bool = False, counts: bool = False) -> Any:
    number = (tensor.shape[along],)
    return torch.empty_like(tensor), _indices(number, inverse), _indices(number, counts)


def _unique_consecutive(tensor: Tensor, inverse: bool = False, counts: bool = False, along: int | None = None) -> Any:
    if along is not None:
        return _unique_along(tensor, along, False, inverse, counts)
    return _unique(tensor, False, inverse, counts)


def _bincount(tensor: Tensor, weights: Tensor | None = None, least: int = 0) -> Tensor:
    dtype = torch.int64 if weights is None else torch.float32 if weights.dtype == torch.float32 else torch.float64
    return tensor.new_empty((least or _BINS,), dtype=dtype)


def _indices(shape: Sequence[int], wanted: bool) -> Tensor:
    return torch.empty(tuple(shape) if wanted else (0,), dtype=torch.int64, device="meta")


SHAPED_BY_DATA: dict[Any, Rule] = {
    _aten.nonzero.default: _nonzero,
    _aten.masked_select.default: _masked_select,
    _aten._unique2.default: _unique,
    _aten.unique_dim.default: _unique_along,
    _aten.unique_consecutive.default: _unique_consecutive,
    _aten.bincount.default: _bincount,
}
"""Operators whose output's shape follows from values, and the largest output."""


def chosen_by(indices: Sequence[Tensor | None], chosen: Callable[[Tensor], int]) -> list[Tensor | None]:
    """Indices in which each mask is the list of the places it chooses: `(n,)` int64 for each of its dimensions.

    Args:
        indices: of `aten.index`.
        chosen: how many elements a mask chooses.
    """
    found: list[Tensor | None] = []
    for index in indices:
        if index is None or not is_mask(index):
            found.append(index)
        else:
            found += [_indices((chosen(index),), wanted=True)] * index.ndim
    return found


def lists_of_places(function: Any, args: Sequence[Any]) -> tuple[int, ...]:
    """Bytes of the lists of places that CUDA makes of masks while it reads or writes by them."""
    if id(function) not in _BY_INDICES:
        return ()
    return tuple(8 * index.ndim * index.numel() for index in args[1] if is_mask(index))


_BY_INDICES = by_identity(_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default)


def is_mask(index: Any) -> bool:
    """Whether an index chooses by truth rather than by place."""
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)
