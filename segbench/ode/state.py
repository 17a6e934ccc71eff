"""The state of an ODE: a tuple of tensors of any shapes, combined part by part and never packed into one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""SegNode's is four streams `(N, 48, H/4, W/4) ... (N, 384, H/32, W/32)`; the first axis is always the batch."""


def advance(state: State, coefficients: Sequence[float], slopes: Sequence[State]) -> State:
    """`state + sum of coefficient * slope`; coefficients of zero cost nothing."""
    for coefficient, slope in zip(coefficients, slopes, strict=True):
        if coefficient:
            state = tuple(torch.add(y, k, alpha=coefficient) for y, k in zip(state, slope, strict=True))
    return state


def scaled(factor: float, state: State) -> State:
    return tuple(factor * part for part in state)


def combined(coefficients: Sequence[float], states: Sequence[State]) -> State | None:
    """`sum of coefficient * state`; None where every coefficient is zero."""
    terms = [(c, state) for c, state in zip(coefficients, states, strict=True) if c]
    if not terms:
        return None
    (first, state), *others = terms
    return advance(scaled(first, state), [c for c, _ in others], [state for _, state in others])


def grouped(tensors: Sequence[Tensor], parts: int) -> list[State]:
    """Inverse of laying states of `parts` tensors each end to end."""
    return [tuple(tensors[i : i + parts]) for i in range(0, len(tensors), parts)]


def zeros_like(state: State) -> State:
    return tuple(torch.zeros_like(part) for part in state)
