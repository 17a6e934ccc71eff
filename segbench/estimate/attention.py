"""Attention as the kernels do it: on `meta` the operator that the target's kernel is, so that what it keeps is kept.

Fused kernels never hold the attention matrix; they keep a log-sum-exp a row (and, on CUDA, the state of the random
numbers) for the backward pass. What each operator makes is torch's own documented shape of its results.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.nn import functional

from segbench.estimate.attention_backends import Backend, Call, Kernels, backend_on_cpu, backend_on_cuda

_aten = torch.ops.aten
_MASK_ALIGNMENT = 8
"""Elements; the memory-efficient kernel reads rows of the mask that start at multiples of it (`preprocess_mask`)."""
_PADDED_HEAD = 8
"""Flash attention pads the size of heads to a multiple of it (`pad_last_dim<8>`)."""


class Attention:
    """Takes the place of `scaled_dot_product_attention` for `meta` tensors.

    Args:
        target: `cuda` or `cpu`.
        kernels: what decides between CUDA's kernels.

    Attributes:
        taken: how many calls took which kernel for what, such as `efficient: float32, heads of 64`.
    """

    def __init__(self, target: str, kernels: Kernels | None = None) -> None:
        self.taken: Counter[str] = Counter()
        self._target, self._kernels = target, kernels or Kernels()
        self._original = functional.scaled_dot_product_attention  # before anything took its place

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """The result `(..., L, Ev)` of the kernel that the target would take."""
        call = Call(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        if not query.is_meta:
            return self._formula(call)
        backend = self._backend(call)
        self.taken[f"{backend}: {str(query.dtype)[6:]}, heads of {query.shape[-1]}"] += 1
        return self._run(backend, call)

    def _backend(self, call: Call) -> Backend:
        return backend_on_cuda(call, self._kernels) if self._target == "cuda" else backend_on_cpu(call)

    def _run(self, backend: Backend, call: Call) -> torch.Tensor:
        if backend == "math":
            dropped = self._target == "cuda" and call.dropout
            return _formula_with_byte_mask(call) if dropped else self._formula(call)
        if self._target == "cpu":
            return _on_cpu(call)
        return {"flash": _flash, "efficient": _efficient, "cudnn": _cudnn}[backend](call)

    def _formula(self, call: Call) -> torch.Tensor:
        """Torch's own formula, which `meta` takes apart and which keeps the whole attention matrix."""
        return self._original(
            *call.tensors,
            attn_mask=call.mask,
            dropout_p=call.dropout,
            is_causal=call.causal,
            scale=call.scale,
            enable_gqa=call.grouped,
        )


def _formula_with_byte_mask(call: Call) -> torch.Tensor:
    """The formula with the dropout of CUDA, whose mask takes a byte an element."""
    query, key, value = call.tensors
    if call.grouped:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    root = (call.scale or query.shape[-1] ** -0.5) ** 0.5
    scores = (query * root) @ (key.transpose(-2, -1) * root)
    mask = _causal_mask(scores) if call.causal else _additive(call.mask, query.dtype)
    if mask is not None:
        scores = scores + mask
    return torch.native_dropout(scores.softmax(-1), call.dropout, True)[0] @ value


def _causal_mask(scores: torch.Tensor) -> torch.Tensor:
    allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    return _additive(allowed, scores.dtype)  # type: ignore[return-value]


def _on_cpu(call: Call) -> torch.Tensor:
    mask = _additive(call.mask, call.query.dtype)
    return _aten._scaled_dot_product_flash_attention_for_cpu(  # type: ignore[no-any-return]
        *call.tensors, call.dropout, call.causal, attn_mask=mask, scale=call.scale
    )[0]


def _flash(call: Call) -> torch.Tensor:
    size = call.query.shape[-1]
    missing = -size % _PADDED_HEAD
    padded = [functional.pad(tensor, (0, missing)) if missing else tensor for tensor in call.tensors]
    scale = call.scale or size**-0.5
    found = _aten._scaled_dot_product_flash_attention(*padded, call.dropout, call.causal, False, scale=scale)[0]
    return found[..., :size] if missing else found  # type: ignore[no-any-return]


def _efficient(call: Call) -> torch.Tensor:
    mask = _additive(call.mask, call.query.dtype)
    if mask is not None:
        mask = _aligned(mask).expand(*call.query.shape[:-1], call.key.shape[-2])
    return _aten._scaled_dot_product_efficient_attention(  # type: ignore[no-any-return]
        *call.tensors, mask, call.keeps_graph, call.dropout, call.causal, scale=call.scale
    )[0]


def _cudnn(call: Call) -> torch.Tensor:
    mask = _additive(call.mask, call.query.dtype)
    return _aten._scaled_dot_product_cudnn_attention(  # type: ignore[no-any-return]
        *call.tensors, mask, call.keeps_graph, call.dropout, call.causal, False, scale=call.scale
    )[0]


def _additive(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """A mask of booleans becomes one of zeros and minus infinity, as `convert_boolean_attn_mask` does."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.where(mask, 0.0, torch.full((), -torch.inf, dtype=dtype, device=mask.device))


def _aligned(mask: torch.Tensor) -> torch.Tensor:
    """A mask whose rows are too odd for the kernel is copied into wider ones (`pad_bias`)."""
    if all(stride % _MASK_ALIGNMENT == 0 for stride in mask.stride()[:-1]) and mask.stride(-1) == 1:
        return mask
    columns = mask.shape[-1]
    return functional.pad(mask, (0, _MASK_ALIGNMENT - columns % _MASK_ALIGNMENT))[..., :columns]


def backward_buffers(function: Any, args: Any) -> tuple[int, ...]:
    """Bytes of the tensors that a kernel's backward pass on CUDA makes and frees within itself.

    Flash attention adds the query's gradient up in float32, rows rounded up to 128 and heads to 32 (64 beyond 128),
    beside one number a row (`mha_bwd` in `flash_api.cpp`); grouped queries get gradients of key and value of full size
    first. The memory-efficient kernel keeps one number a row (`attention_backward.cu`). Not measured on a GPU.
    """
    if function is _aten._scaled_dot_product_flash_attention_backward.default:
        return _flash_buffers(args[1], args[2])
    if function is _aten._scaled_dot_product_efficient_attention_backward.default:
        batch, heads, rows, _ = args[1].shape
        return (batch * heads * rows * 4,)
    return ()


def _flash_buffers(query: torch.Tensor, key: torch.Tensor) -> tuple[int, ...]:
    batch, heads, rows, size = query.shape
    rounded_rows = -(-rows // 128) * 128
    step = 32 if size <= 128 else 64
    sums = batch * heads * rounded_rows * 4
    expanded = batch * heads * key.shape[2] * size * key.element_size()
    grouped = (expanded, expanded) if key.shape[1] != heads else ()
    return (sums, sums * (-(-size // step) * step), *grouped)
