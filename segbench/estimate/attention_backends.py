"""Which kernel scaled dot-product attention takes: torch's own rules, for the CPU asked, for CUDA from its source.

`select_sdp_backend` of `aten/src/ATen/native/transformers/cuda/sdp_utils.cpp` (torch 2.13) tries the backends in an
order that depends on the GPU and takes the first whose conditions the call meets. Conditions that dense tensors always
meet are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch.nn.attention import SDPBackend

from segbench.errors import UserError

Backend = Literal["flash", "efficient", "cudnn", "math"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
_HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Kernels:
    """What decides between kernels beside the call itself.

    Attributes:
        preferred: taken wherever its conditions are met; None for the order of preference of torch.
        capability: CUDA compute capability of the GPU. What is true of 8.0 holds for every later GPU but 9.0, 10.0 and
            10.3, on which torch with a recent cuDNN prefers `cudnn` to `flash`; before 8.0 there is no `flash`.
    """

    preferred: Backend | None = None
    capability: tuple[int, int] = (8, 0)

    def __post_init__(self) -> None:
        if self.preferred is not None and self.preferred not in BACKENDS:
            raise UserError(f"no attention kernel {self.preferred!r}; choose from {', '.join(BACKENDS)}")

    @property
    def order(self) -> tuple[Backend, ...]:
        """The first whose conditions are met is taken; `math` has none."""
        prefers_cudnn = self.capability in ((9, 0), (10, 0), (10, 3))
        usual: tuple[Backend, ...] = ("flash", "efficient", "math")
        usual = ("cudnn", *usual) if prefers_cudnn else usual
        return usual if self.preferred is None else (self.preferred, *usual)


@dataclass(frozen=True)
class Call:
    """Arguments of `scaled_dot_product_attention`.

    `query` is `(..., L, E)`, `key` `(..., S, E)`, `value` `(..., S, Ev)`, `mask` broadcasts to `(..., L, S)`; `grouped`
    lets several heads of the query share one of key and value.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None = None
    dropout: float = 0.0
    causal: bool = False
    scale: float | None = None
    grouped: bool = False

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.query, self.key, self.value

    @property
    def keeps_graph(self) -> bool:
        """Whether a backward pass may follow."""
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in self.tensors)


def backend_on_cuda(call: Call, kernels: Kernels) -> Backend:
    """The kernel that CUDA would take."""
    return next(backend for backend in kernels.order if _ALLOWS[backend](call, kernels.capability))


def backend_on_cpu(call: Call) -> Backend:
    """The kernel that the CPU takes, asked of torch with stand-ins of the same shapes that hold one row."""
    query, key, value = (_stand_in(tensor) for tensor in call.tensors)
    mask = None if call.mask is None else _stand_in(call.mask)
    with torch._C._DisableTorchDispatch():
        chosen = torch._fused_sdp_choice(
            query, key, value, mask, call.dropout, call.causal, scale=call.scale, enable_gqa=call.grouped
        )
    return "flash" if chosen == SDPBackend.FLASH_ATTENTION.value else "math"


def _stand_in(tensor: torch.Tensor) -> torch.Tensor:
    last = min(tensor.stride(-1), 2) if tensor.ndim else 1
    strides = (*(0 for _ in tensor.shape[1:]), last)[: tensor.ndim]
    made = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="cpu")
    return made.requires_grad_(tensor.requires_grad)


def _flash(call: Call, capability: tuple[int, int]) -> bool:
    square = call.query.shape[-2] == call.key.shape[-2]
    return (
        capability >= (8, 0)
        and _fits_any_kernel(call)
        and _heads_match(call)
        and call.mask is None
        and (square or not call.causal)
        and _one_dtype(call, _HALVES)
        and _flash_head_size(call, capability)
    )


def _flash_head_size(call: Call, capability: tuple[int, int]) -> bool:
    size = call.query.shape[-1]
    small_shared_memory = (8, 6) <= capability <= (8, 9) or capability >= (12, 0)
    no_backward = 192 < size <= 224 or (size > 224 and call.dropout > 0)
    return _equal_head_sizes(call) and size <= 256 and not (small_shared_memory and no_backward and call.keeps_graph)


def _efficient(call: Call, capability: tuple[int, int]) -> bool:
    alignment = _gemm_alignment(call.query.dtype, capability)
    sizes = call.query.shape[-1], call.value.shape[-1]
    dtypes = (*_HALVES, torch.float32) if capability >= (8, 0) else (torch.float16, torch.float32)
    return (
        _fits_any_kernel(call)
        and len({tensor.shape[1] for tensor in call.tensors}) == 1
        and call.query.shape[-1] == call.key.shape[-1]
        and all(size % alignment == 0 for size in sizes)
        and _one_dtype(call, dtypes)
    )


def _gemm_alignment(dtype: torch.dtype, capability: tuple[int, int]) -> int:
    """`minimum_gemm_alignment`: numbers by which head sizes must be divisible."""
    half = dtype in _HALVES
    tensor_cores = capability >= (8, 0) or (capability >= (7, 0) and half)
    least = 4 if capability >= (8, 0) else 1
    return max(least, 128 // (16 if half else 32)) if tensor_cores else least


def _cudnn(call: Call, capability: tuple[int, int]) -> bool:
    sizes = call.query.shape[-1], call.value.shape[-1]
    largest = 256 if capability == (9, 0) else 128
    long_enough = call.key.shape[-2] > 1 and (call.query.shape[-2] > 1 or not call.dropout)
    return (
        capability >= (8, 0)
        and _fits_any_kernel(call)
        and _heads_match(call)
        and _mask_fits(call)
        and _one_dtype(call, _HALVES)
        and all(size <= largest and size % 8 == 0 for size in sizes)
        and long_enough
    )


def _math(_call: Call, _capability: tuple[int, int]) -> bool:
    return True


_ALLOWS: dict[Backend, Callable[[Call, tuple[int, int]], bool]] = {
    "flash": _flash,
    "efficient": _efficient,
    "cudnn": _cudnn,
    "math": _math,
}


def _fits_any_kernel(call: Call) -> bool:
    """Four dimensions, one batch size, no empty sequence, rows of adjacent numbers."""
    tensors = call.tensors
    with_mask = (*tensors, call.mask) if call.mask is not None else tensors
    return (
        all(tensor.ndim == 4 for tensor in tensors)
        and len({tensor.shape[0] for tensor in tensors}) == 1
        and call.query.shape[-2] > 0
        and call.key.shape[-2] > 0
        and all(tensor.stride(-1) == 1 for tensor in with_mask)
    )


def _heads_match(call: Call) -> bool:
    query, key, value = (tensor.shape[1] for tensor in call.tensors)
    return key == value and (query % key == 0 if call.grouped else query == key)


def _equal_head_sizes(call: Call) -> bool:
    return len({tensor.shape[-1] for tensor in call.tensors}) == 1


def _one_dtype(call: Call, allowed: tuple[torch.dtype, ...]) -> bool:
    return call.query.dtype in allowed and len({tensor.dtype for tensor in call.tensors}) == 1


def _mask_fits(call: Call) -> bool:
    """`check_attn_mask_shape`: two or four dimensions that broadcast, without a gradient."""
    if call.mask is None:
        return True
    wanted = (*call.query.shape[:-1], call.key.shape[-2])
    return (
        not call.mask.requires_grad
        and call.mask.ndim in (2, 4)
        and all(size in (1, full) for size, full in zip(call.mask.shape[::-1], wanted[::-1], strict=False))
    )
