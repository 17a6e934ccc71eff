"""How many multiply-accumulates an operator makes, by the mathematics: whichever kernel ran, fused or not.

One rule a shape of product; an operator is known by `namespace::name`, its in-place and `out` forms included. Attention
counts in full where it is causal, as in PyTorch's and fvcore's counters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

Macs = Mapping[str, int]
"""By kind: `convolution`, `matmul`, `attention`, `recurrent`."""

_Given = Mapping[str, Any]
"""An operator's arguments by the names of its schema, defaults included."""


def macs_of(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> Macs | None:
    """Multiply-accumulates of one call; None for an operator without a rule."""
    rule = _RULES.get(name_of(operator))
    return None if rule is None else rule(_given(operator, args, kwargs), output)


@functools.cache
def name_of(operator: Any) -> str:
    """`namespace::name` without overload and the underscore of in-place forms."""
    if not isinstance(operator, OpOverload):  # a higher-order operator, such as flex attention
        return str(operator)
    return str(operator._schema.name).removesuffix("_")


def may_multiply(operator: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operator without a rule may hide a product: it reads two tensors, and not value by value.

    Whatever is not PyTorch's own may: nothing is known of it but that it reads tensors.
    """
    if not isinstance(operator, OpOverload) or operator.namespace != "aten":
        return _tensors(args) > 0
    return _tensors(args) > 1 and not _multiplies_nothing(operator)


@functools.cache
def _multiplies_nothing(operator: OpOverload) -> bool:
    return torch.Tag.pointwise in operator.tags or any(word in name_of(operator) for word in _NO_PRODUCT)


_NO_PRODUCT = ("norm", "scatter", "copy", "index", "put", "loss", "_cell", "dropout", "where", "lerp", "set_", "equal")
"""Words in the names of PyTorch's operators that read several tensors without multiplying rows by columns."""


def _tensors(args: tuple[Any, ...]) -> int:
    """Floating-point tensors among the arguments, whatever lists hold aside: those are joined, not multiplied."""
    return sum(isinstance(value, Tensor) and value.is_floating_point() for value in args)


def _given(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Given:
    names, defaults = _arguments(operator)
    return {**defaults, **dict(zip(names, args, strict=False)), **kwargs}


@functools.cache
def _arguments(operator: Any) -> tuple[tuple[str, ...], _Given]:
    """Their names, and the values of those that need not be given."""
    arguments = operator._schema.arguments
    defaults = {item.name: item.default_value for item in arguments if item.has_default_value()}
    return tuple(item.name for item in arguments), defaults


def _convolution(given: _Given, output: Tensor) -> Macs:
    """Every output value of a convolution, or every input value of a transposed one, meets one kernel window."""
    values = given["input"] if given.get("transposed") else output
    return {"convolution": values.numel() * math.prod(given["weight"].shape[1:])}


def _product(left: str, right: str) -> Callable[[_Given, Any], Macs]:
    """`(..., m, k) @ (..., k, n)`, or `(m, k) @ (k,)`."""

    def count(given: _Given, _: Any) -> Macs:
        matrix = given[right]
        return {"matmul": given[left].numel() * (matrix.shape[-1] if matrix.ndim > 1 else 1)}

    return count


def _linear(weight: str) -> Callable[[_Given, Any], Macs]:
    """`(..., k) @ (n, k)^T`."""
    return lambda given, _: {"matmul": given["self"].numel() * given[weight].shape[0]}


def _distances(given: _Given, _: Any) -> Macs:
    """Euclidean, of `(..., P, k)` and `(..., R, k)`: a product and a sum for every pair and coordinate."""
    return {"matmul": given["x1"].numel() * given["x2"].shape[-2]}


def _bilinear(given: _Given, _: Any) -> Macs:
    """`(N, I)`, `(O, I, J)` and `(N, J)`, as `nn.Bilinear` asks for them: `x W`, then times `y`."""
    rows, (outputs, _inner, columns) = given["i1"].shape[0], given["i2"].shape
    return {"matmul": rows * (given["i2"].numel() + outputs * columns)}


def _attention(given: _Given, _: Any) -> Macs:
    """`(..., L, E) @ (..., E, S)` and `(..., L, S) @ (..., S, V)`."""
    query, key, value = (_first(given, name, name[0]) for name in ("query", "key", "value"))
    return {"attention": _attended(query, key.shape[-2], value)}


def _attention_by_length(given: _Given, _: Any) -> Macs:
    """The same of `(N, L, heads, E)`: the form in which the kernels of flash and efficient attention take it."""
    return {"attention": _attended(given["query"], given["key"].shape[1], given["value"])}


def _attended(query: Tensor, keys: int, value: Tensor) -> int:
    return query.numel() // query.shape[-1] * keys * (query.shape[-1] + value.shape[-1])


def _multi_head(given: _Given, _: Any) -> Macs:
    """Projections of queries, keys and values, attention, and the projection of its result."""
    queries, keys = _tokens(given["query"]), _tokens(given["key"])
    width = int(given["embed_dim"])
    projected = sum(map(sum, (queries, keys, keys, queries))) * width**2
    pairs = sum(length * other for length, other in zip(queries, keys, strict=True))
    return {"matmul": projected, "attention": 2 * pairs * width}


def _encoder_layer(given: _Given, _: Any) -> Macs:
    """Self-attention with its projections, and two linear layers on every token."""
    lengths, width = _tokens(given["src"]), int(given["embed_dim"])
    names = ("qkv_weight", "proj_weight", "ffn_weight_1", "ffn_weight_2")
    return {
        "matmul": sum(lengths) * sum(given[name].numel() for name in names),
        "attention": 2 * sum(length**2 for length in lengths) * width,
    }


def _tokens(sequences: Tensor) -> list[int]:
    """The length of every sequence of `(N, L, E)`, nested ones of unequal length included."""
    if sequences.is_nested:
        return [item.shape[0] for item in sequences.unbind()]
    return [sequences.shape[1]] * sequences.shape[0]


def _recurrent_layer(given: _Given, _: Any) -> Macs:
    """One layer in one direction: the weights of inputs and of states meet every token."""
    return _recurrent(given["input"], [given["weight0"], given["weight1"]])


def _recurrent_stack(name: str) -> Callable[[_Given, Any], Macs]:
    """All layers and directions at once."""
    return lambda given, _: _recurrent(given["input"], given[name])


def _recurrent(inputs: Tensor, weights: list[Tensor]) -> Macs:
    """Inputs `(T, N, E)` or packed `(tokens, E)`; matrices are weights, vectors are biases."""
    tokens = inputs.numel() // inputs.shape[-1]
    return {"recurrent": tokens * sum(weight.numel() for weight in weights if weight.ndim == 2)}


def _first(given: _Given, *names: str) -> Any:
    return next(given[name] for name in names if name in given)


_Rule = Callable[[_Given, Any], Macs]


def _named(rule: _Rule, *names: str, namespace: str = "aten") -> dict[str, _Rule]:
    return {f"{namespace}::{name}": rule for name in names}


_RULES: dict[str, _Rule] = {
    **_named(
        _convolution,
        "convolution",
        "_convolution",
        "convolution_overrideable",
        "cudnn_convolution",
        "cudnn_convolution_relu",
        "cudnn_convolution_add_relu",
        "mkldnn_convolution",
        "miopen_convolution",
    ),
    **_named(_convolution, "deform_conv2d", namespace="torchvision"),
    **_named(_product("self", "mat2"), "mm", "bmm", "_int_mm", "_scaled_mm", "_sparse_mm"),
    **_named(_product("self", "vec"), "mv"),
    **_named(_product("self", "tensor"), "dot"),
    **_named(_product("self", "other"), "vdot"),
    **_named(_product("mat1", "mat2"), "addmm", "_addmm_activation", "sspaddmm", "_sparse_addmm"),
    **_named(_product("batch1", "batch2"), "baddbmm", "addbmm"),
    **_named(_product("mat", "vec"), "addmv"),
    **_named(_linear("weight"), "mkldnn_linear"),
    **_named(_linear("mat2"), "_weight_int8pack_mm"),
    **_named(_distances, "_euclidean_dist"),
    **_named(_bilinear, "_trilinear"),
    **_named(
        _attention,
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
        "_scaled_dot_product_attention_math_for_mps",
        "_triton_scaled_dot_attention",
    ),
    **_named(_attention_by_length, "_flash_attention_forward", "_efficient_attention_forward"),
    **_named(_multi_head, "_native_multi_head_attention", "_triton_multi_head_attention"),
    **_named(_encoder_layer, "_transformer_encoder_layer_fwd"),
    **_named(_recurrent_layer, "mkldnn_rnn_layer"),
    **_named(_recurrent_stack("weight"), "_cudnn_rnn", "miopen_rnn"),
    **_named(_recurrent_stack("params"), "_lstm_mps"),
}
