"""What older releases of torch kept in training that today's does not: for numbers published with them.

The table says until which release, and where it was changed. Kernels and the allocator's arithmetic stay as they
are today.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.estimate.overheads import Overheads
from segbench.estimate.replacing import replaced

Release = tuple[int, int]
_aten = torch.ops.aten


@dataclass(frozen=True)
class Habit:
    """Something torch did before a release.

    Attributes:
        what: in words.
        before: the first release without it.
        source: where that is written.
    """

    what: str
    before: Release
    source: str


HARDSWISH = Habit("hardswish is written out: x * relu6(x + 3) / 6", (1, 7), "mmcv/cnn/bricks/hswish.py")
BOUNDED = Habit(
    "relu6 and hardtanh in place keep their result, not a copy of their input", (1, 10), "pytorch/pytorch#95432"
)
RECTIFIERS = Habit("relu keeps its input rather than its result", (1, 10), "pytorch/pytorch#63027")
SOFTMAX = Habit("softmax and log_softmax keep their input too", (1, 11), "pytorch/pytorch#49600, #64000, #65242")
ZEROED = Habit("zero_grad fills gradients with zeros and does not free them", (2, 0), "release notes of 2.0")
LOOPS = Habit("optimizers go from parameter to parameter, not over all at once", (2, 0), "release notes of 2.0")
FORMULA = Habit("attention is its formula, without fused kernels", (2, 0), "release notes of 2.0")
CUBLAS = Habit(
    "cuBLAS's workspace is cuBLAS's own and not the caching allocator's", (2, 0), "pytorch/pytorch#83461, #95668"
)
BINARY = Habit(
    "binary_cross_entropy_with_logits has four maps beside its result, not one", (2, 3), "pytorch/pytorch#115539"
)
HABITS = (BINARY, HARDSWISH, BOUNDED, RECTIFIERS, SOFTMAX, ZEROED, LOOPS, FORMULA, CUBLAS)
TODAY: Release = (10**6, 0)
"""The torch that runs, which has none of the habits."""


def release_of(text: str | None) -> Release:
    """`1.8` or `1.8.1` as (1, 8); None is the torch that runs.

    Raises:
        UserError: it is no release.
    """
    if text is None:
        return TODAY
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise UserError(f"{text!r} is no release of torch; give two numbers, such as 1.8")
    return int(parts[0]), int(parts[1])


def had(release: Release, habit: Habit) -> bool:
    """Whether a release did so."""
    return release < habit.before


def overheads_in(release: Release, overheads: Overheads) -> Overheads:
    """What of the overheads lay in the caching allocator; cuBLAS's own workspace is in no figure of the prediction."""
    return replace(overheads, cublas_bytes=0) if had(release, CUBLAS) else overheads


def functions_of(release: Release) -> dict[str, Callable[..., Tensor]]:
    """Functions of `torch.nn.functional` as the release had them, where they differ, by name."""
    found: dict[str, Callable[..., Tensor]] = {}
    if had(release, HARDSWISH):
        found["hardswish"] = _hardswish
    if had(release, BINARY):
        found["binary_cross_entropy_with_logits"] = _binary_cross_entropy
    if had(release, BOUNDED):
        found |= {"hardtanh": _hardtanh, "relu6": _relu6}
    if had(release, RECTIFIERS):
        found["relu"] = _relu
    if had(release, SOFTMAX):
        found |= {"softmax": _softmax, "log_softmax": _log_softmax, "cross_entropy": _cross_entropy}
    return found


@contextlib.contextmanager
def gradients_as_in(release: Release) -> Iterator[None]:
    """Within it gradients are freed, or filled with zeros, as the release did where nothing else is said."""
    if not had(release, ZEROED):
        yield
        return
    with replaced(nn.Module, "zero_grad", _filling), replaced(torch.optim.Optimizer, "zero_grad", _filling):
        yield


def _filling(original: Callable[..., None]) -> Callable[..., None]:
    def zero_grad(owner: Any, *_args: bool, **_kwargs: bool) -> None:
        original(owner, set_to_none=False)

    return zero_grad


_TODAYS_RELU = functional.relu
_TODAYS_BINARY = functional.binary_cross_entropy_with_logits
_TODAYS_HARDTANH = functional.hardtanh
_TODAYS_CROSS_ENTROPY = functional.cross_entropy


def _binary_cross_entropy(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    result = _TODAYS_BINARY(input, *args, **kwargs)
    averaged = result.shape != input.shape
    with torch.no_grad():
        _maps = [torch.empty_like(input) for _ in range(4 + averaged)]  # gone with the call
    return result


def _hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    return input * functional.relu6(input + 3, inplace) / 6


def _relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return _hardtanh(input, 0.0, 6.0, inplace)


def _hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    if inplace and torch.is_grad_enabled():
        return _Bounded.apply(input, min_val, max_val)  # type: ignore[no-untyped-call, no-any-return]
    return _TODAYS_HARDTANH(input, min_val, max_val, inplace)


def _relu(input: Tensor, inplace: bool = False) -> Tensor:
    return _TODAYS_RELU(input, inplace=True) if inplace else _Relu.apply(input)  # type: ignore[no-untyped-call]


def _softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    return _kept(input, dim, dtype, logarithm=False)


def _log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    return _kept(input, dim, dtype, logarithm=True)


def _cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    if label_smoothing or target.is_floating_point():
        settings = (weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        return _TODAYS_CROSS_ENTROPY(input, target, *settings)
    chances = functional.log_softmax(input, 1)
    return functional.nll_loss(chances, target, weight, size_average, ignore_index, reduce, reduction)


def _kept(input: Tensor, dim: int | None, dtype: torch.dtype | None, logarithm: bool) -> Tensor:
    wanted = input if dtype is None else input.to(dtype)
    along = (1 if wanted.ndim in (2, 4) else 0) if dim is None else dim  # the implicit dimension of that time
    return _Softmax.apply(wanted, along, logarithm)  # type: ignore[no-untyped-call, no-any-return]


class _Bounded(torch.autograd.Function):
    """`hardtanh` in place."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, low: float, high: float) -> Tensor:
        result = input.clamp_(low, high)
        ctx.mark_dirty(result)
        ctx.save_for_backward(result)
        ctx.bounds = low, high
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _aten.hardtanh_backward(gradient, ctx.saved_tensors[0], *ctx.bounds), None, None


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        ctx.save_for_backward(input)
        return torch.relu(input)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _aten.threshold_backward(gradient, ctx.saved_tensors[0], 0)  # type: ignore[no-any-return]


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, dim: int, logarithm: bool) -> Tensor:
        result: Tensor = (_aten._log_softmax if logarithm else _aten._softmax)(input, dim, False)
        ctx.save_for_backward(input, result)
        ctx.dim, ctx.logarithm = dim, logarithm
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        input, result = ctx.saved_tensors
        operator = _aten._log_softmax_backward_data if ctx.logarithm else _aten._softmax_backward_data
        return operator(gradient, result, ctx.dim, input.dtype), None, None
