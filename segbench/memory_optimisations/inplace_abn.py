"""Switch `inplace-abn`: batch norm and activation keep their output alone, from which the input is computed again.

A batch norm followed by a ReLU saves its input, and the ReLU its output. With an invertible activation the normalised
input follows from the output, which the next convolution saves anyway: one tensor instead of two, for a few operations
element by element in the backward pass.
It is another network: ReLU becomes leaky ReLU (slope 0.01) and the norm's weight its absolute value plus epsilon, so
that neither loses anything. Gradients are those of that network up to rounding (1e-5 of them in float32).
Source: Rota Bulo, Porzi and Kontschieder 2018, "In-Place Activated BatchNorm for Memory-Optimized Training of DNNs",
variant II. Ours is plain torch: the output is a new tensor and the input is let go, where theirs writes over it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from segbench.layers.norms import StageBatchNorm2d, momentum_of
from segbench.memory_optimisations.classes import mix_in
from segbench.memory_optimisations.sequences import is_watched, layers_of, sequences_of
from segbench.memory_optimisations.switch import Saving, Switch

SLOPE = 0.01
"""Of the leaky ReLU for negative values, theirs."""


class InvertingSequential(Saving, nn.Sequential):
    """Before an `nn.Sequential`: the same layers one after another, each batch norm joined with the ReLU behind it."""

    def forward(self, input: Tensor) -> Tensor:
        layers = layers_of(self)
        pairs = _pairs(layers)
        skip = {place + 1 for place in pairs}
        for place, layer in enumerate(layers):
            if place in pairs:
                assert isinstance(layer, nn.BatchNorm2d)
                input = invertible_norm(layer, input, keeps_output=self.saving)
            elif place not in skip:
                input = layer(input)
        return input


def invertible_norm(norm: nn.BatchNorm2d, maps: Tensor, *, keeps_output: bool) -> Tensor:
    """`leaky_relu(norm(maps))` `(N, C, H, W)` with a positive weight; in training as one node that keeps its output."""
    weight = norm.weight.abs() + norm.eps
    if keeps_output and norm.training and torch.is_grad_enabled():
        output: Tensor = _Inverting.apply(norm, maps, weight, norm.bias)  # type: ignore[no-untyped-call]
        return output
    momentum, mean, variance = momentum_of(norm), norm.running_mean, norm.running_var
    normalised = functional.batch_norm(maps, mean, variance, weight, norm.bias, norm.training, momentum, norm.eps)
    return functional.leaky_relu(normalised, SLOPE, inplace=True)


class _Inverting(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, norm: nn.BatchNorm2d, maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        output, _, deviation = torch.native_batch_norm(
            maps, weight, bias, norm.running_mean, norm.running_var, True, momentum_of(norm), norm.eps
        )
        functional.leaky_relu(output, SLOPE, inplace=True)
        ctx.eps = norm.eps
        ctx.save_for_backward(output, weight, bias, deviation)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        output, weight, bias, deviation = ctx.saved_tensors
        gradient = torch.ops.aten.leaky_relu_backward(gradient, output, SLOPE, True)
        standard = functional.leaky_relu(output, 1 / SLOPE)  # its inverse is a leaky ReLU too
        standard.sub_(_by_channel(bias)).div_(_by_channel(weight))
        none, one = torch.zeros_like(deviation), torch.ones_like(deviation)  # the mean and deviation of `standard`
        maps, weight, bias = torch.ops.aten.native_batch_norm_backward(
            gradient, standard, weight, None, None, none, one, True, ctx.eps, [True, True, True]
        )
        return None, maps.mul_(_by_channel(deviation)), weight, bias


def _by_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)


def _pairs(layers: list[nn.Module]) -> list[int]:
    """Places of the batch norms that a ReLU follows."""
    return [place for place in range(len(layers) - 1) if _is_pair(*layers[place : place + 2])]


def _is_pair(norm: nn.Module, relu: nn.Module) -> bool:
    known = (
        isinstance(norm, nn.BatchNorm2d)
        and not isinstance(norm, StageBatchNorm2d)
        and type(norm).forward is _BatchNorm.forward
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
    )
    return known and type(relu) is nn.ReLU and not is_watched(norm) and not is_watched(relu)


def _apply(network: nn.Module, _value: str) -> int:
    found = {sequence: len(_pairs(layers_of(sequence))) for sequence in sequences_of(network, InvertingSequential)}
    for sequence, pairs in found.items():
        if pairs:
            mix_in(InvertingSequential, sequence)
    return sum(found.values())


INPLACE_ABN = Switch(
    "inplace-abn",
    _apply,
    exact=True,
    works_on="torch's batch norm followed by a ReLU in nn.Sequential",
    changes="ReLU becomes leaky ReLU (0.01), and a norm's weight its absolute value",
    excludes=frozenset({"recompute", "bf16", "fp16", "compress"}),
)
