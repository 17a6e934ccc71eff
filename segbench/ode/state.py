"""The state of an ODE: a tuple of tensors of any shapes, combined part by part and never packed into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""SegNode's is four streams `(N, 48, H/4, W/4) ... (N, 384, H/32, W/32)`; the first axis is always the batch."""

Derivative = Callable[[float | Tensor, State], State]
"""f(t, state), of the state's shapes."""


def advance(state: State, coefficients: Sequence[float], slopes: Sequence[State]) -> State:
    """`state + sum of coefficient * slope`; coefficients of zero cost nothing."""
    for coefficient, slope in zip(coefficients, slopes, strict=True):
        if coefficient:
            state = tuple(torch.add(y, k, alpha=coefficient) for y, k in zip(state, slope, strict=True))
    return state


def zeros_like(state: State) -> State:
    return tuple(torch.zeros_like(part) for part in state)


def detach(state: State) -> State:
    return tuple(part.detach() for part in state)
