"""The fused layers of `nn.MultiheadAttention` and `nn.TransformerEncoderLayer` in inference, as operators on `meta`.

Real devices run each as one operator. On the CPU only its results count as live, for what one kernel allocates and
frees within itself is scratch. On CUDA everything comes from the caching allocator, so that the operator's own steps
are taken (`native_multi_head_attention_cuda` in `cuda/attention.cu`, `transformer_encoder_layer_forward` in
`transformer.cpp`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

Attend = Callable[..., Tensor]
_Found = tuple[Tensor, Tensor | None]


class Multihead(NamedTuple):
    """Arguments of `_native_multi_head_attention`: tokens `(N, L, E)`, weights of the projections in and out."""

    query: Tensor
    key: Tensor
    value: Tensor
    embed_dim: int
    num_head: int
    qkv_weight: Tensor
    qkv_bias: Tensor
    proj_weight: Tensor
    proj_bias: Tensor
    mask: Tensor | None = None
    need_weights: bool = True
    average_attn_weights: bool = True
    mask_type: int | None = None


class EncoderLayer(NamedTuple):
    """Arguments of `_transformer_encoder_layer_fwd`: tokens `(N, L, E)`, then the layer's settings and weights."""

    src: Tensor
    embed_dim: int
    num_heads: int
    qkv_weight: Tensor
    qkv_bias: Tensor
    proj_weight: Tensor
    proj_bias: Tensor
    use_gelu: bool
    norm_first: bool
    eps: float
    norm_weight_1: Tensor
    norm_bias_1: Tensor
    norm_weight_2: Tensor
    norm_bias_2: Tensor
    ffn_weight_1: Tensor
    ffn_bias_1: Tensor
    ffn_weight_2: Tensor
    ffn_bias_2: Tensor
    mask: Tensor | None = None
    mask_type: int | None = None


def multihead_on_cpu(*args: Any, **kwargs: Any) -> _Found:
    """Tokens `(N, L, E)`, and the attention `(N, L, L)` or `(N, heads, L, L)` where it is asked for."""
    call = Multihead(*args, **kwargs)
    batch, length, _ = call.query.shape
    heads = () if call.average_attn_weights else (call.num_head,)
    weights = call.query.new_empty((batch, *heads, length, length)) if call.need_weights else None
    return torch.empty_like(call.query), weights


def multihead_on_cuda(attend: Attend) -> Callable[..., _Found]:
    """`_native_multi_head_attention` in the steps of its CUDA kernel.

    Args:
        attend: scaled dot-product attention.
    """

    def multihead(*args: Any, **kwargs: Any) -> _Found:
        call = Multihead(*args, **kwargs)
        size = call.embed_dim // call.num_head
        if call.mask is not None or call.need_weights or size % 8:
            return _step_by_step(call, size)
        joint = linear(call.query, call.qkv_weight, call.qkv_bias)
        heads = (*call.query.shape[:2], call.num_head, size)
        parts = [part.view(heads).transpose(1, 2) for part in joint.chunk(3, -1)]
        together = attend(*parts).transpose(1, 2).flatten(2)
        return linear(together, call.proj_weight, call.proj_bias), None

    return multihead


def _step_by_step(call: Multihead, size: int) -> _Found:
    batch, length, _ = call.query.shape
    joint = linear(call.query, call.qkv_weight)
    query, key, value = joint.new_empty((3, batch, call.num_head, length, size))  # _transform_bias_rescale_qkv
    del joint
    attention = query @ key.transpose(-2, -1)  # its softmax is taken in place
    together = (attention @ value).transpose(1, 2).flatten(2)
    result = linear(together, call.proj_weight, call.proj_bias)
    if not call.need_weights:
        return result, None
    return result, attention.sum(1).div_(call.num_head) if call.average_attn_weights else attention


def encoder_layer_on_cpu(*args: Any, **kwargs: Any) -> Tensor:
    """Tokens `(N, L, E)`."""
    return torch.empty_like(EncoderLayer(*args, **kwargs).src)


def encoder_layer_on_cuda(attend: Attend) -> Callable[..., Tensor]:
    """`_transformer_encoder_layer_fwd` in the steps of its CUDA kernel.

    Args:
        attend: scaled dot-product attention.
    """
    multihead = multihead_on_cuda(attend)

    def layer(*args: Any, **kwargs: Any) -> Tensor:
        call = EncoderLayer(*args, **kwargs)
        states = _norm_1(call, call.src) if call.norm_first else call.src
        states = multihead(states, states, states, *call[1:7], call.mask, need_weights=False)[0].add_(call.src)
        before = states if call.norm_first else _norm_1(call, states)
        states = _norm_2(call, before) if call.norm_first else before
        hidden = linear(states, call.ffn_weight_1, call.ffn_bias_1)  # one kernel with its activation
        states = linear(hidden, call.ffn_weight_2, call.ffn_bias_2).add_(before)
        return states if call.norm_first else _norm_2(call, states)

    return layer


def _norm_1(call: EncoderLayer, states: Tensor) -> Tensor:
    return layer_norm(states, (call.embed_dim,), call.norm_weight_1, call.norm_bias_1, call.eps)


def _norm_2(call: EncoderLayer, states: Tensor) -> Tensor:
    return layer_norm(states, (call.embed_dim,), call.norm_weight_2, call.norm_bias_2, call.eps)
