"""Norm, ReLU and convolution as one module, or as one autograd node that keeps only its input.

Plain autograd keeps two tensors for the triple: the norm's input and the ReLU's output (which the convolution reads).
The recomputing node keeps the input and computes the other again in its backward pass: half the memory for one norm and
    one ReLU more, 5 to 10 % of the time of SegNode's f (our measurement). Gradients are exact. The idea is Bulo et
    al.'s (2018, "In-Place Activated BatchNorm": recompute what is cheap), without their restriction to invertible
    activations, since the input is kept rather than the output.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from segbench.layers.film import FiLM
from segbench.layers.norms import make_norm, normalise
from segbench.layers.precision import Precision
from segbench.layers.stage import at_stage, current_stage


class NormReluConv(nn.Module):
    """Norm -> ReLU -> convolution without bias: SegNode's "small block" (paper, Fig. 2), pre-activation order.

    Args:
        in_channels, out_channels: of the convolution.
        kernel: odd side of the convolution, padded so that stride 1 keeps the size.
        stride: of the convolution; an odd side of n becomes (n + 1) / 2 at stride 2.
        norm: kind, see `make_norm`.
        recompute: keep only the input for the backward pass (training mode only; evaluation is always plain).
        time_conditioned: scale and shift the normalised values by t (`FiLM`), two more parameters a channel.
        stages: for norm `batch-per-stage`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        norm: str = "group",
        recompute: bool = False,
        time_conditioned: bool = False,
        stages: int = 0,
    ) -> None:
        super().__init__()
        self.norm = make_norm(norm, in_channels, stages)
        self.film = FiLM(in_channels) if time_conditioned else None
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.recompute = recompute

    def forward(self, images: Tensor, time: float | Tensor = 0.0) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, out_channels, H / stride, W / stride)`; `time` matters to FiLM only."""
        weight, bias = self.affine(time)
        return norm_relu_conv(images, self.norm, self.conv, weight, bias, recompute=self.recompute and self.training)

    def affine(self, time: float | Tensor) -> tuple[Tensor, Tensor]:
        """Factor and summand `(in_channels,)` of what the norm has normalised."""
        weight, bias = self.norm.weight, self.norm.bias
        return (weight, bias) if self.film is None else self.film(weight, bias, time)


def norm_relu_conv(
    images: Tensor, norm: nn.Module, conv: nn.Conv2d, weight: Tensor | None, bias: Tensor | None, *, recompute: bool
) -> Tensor:
    """`conv(relu(norm(images)))`, with `weight` and `bias` in place of the norm's own.

    Args:
        images: `(N, C, H, W)`.
        norm: group or batch norm, ours or torch's.
        conv: zero-padded.
        weight, bias: `(C,)`, may carry a gradient of their own.
        recompute: as one node that keeps `images` only; without gradients it is plain anyway.
    """
    if recompute and torch.is_grad_enabled():
        output: Tensor = _Recomputing.apply(  # type: ignore[no-untyped-call]
            norm, conv, images, weight, bias, conv.weight, conv.bias
        )
        return output
    return conv(functional.relu(normalise(norm, images, weight, bias), inplace=True))  # type: ignore[no-any-return]


class _Recomputing(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        norm: nn.Module,
        conv: nn.Conv2d,
        images: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        kernel: Tensor,
        conv_bias: Tensor | None,
    ) -> Tensor:
        ctx.norm, ctx.conv = norm, conv
        ctx.stage, ctx.precision = current_stage(), Precision.around(images)
        ctx.save_for_backward(images, weight, bias, kernel, conv_bias)
        with ctx.precision.reopened(cache=False):
            activated = functional.relu(normalise(norm, images, weight, bias), inplace=True)
            return functional.conv2d(
                activated, kernel, conv_bias, conv.stride, conv.padding, conv.dilation, conv.groups
            )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias, kernel, conv_bias = ctx.saved_tensors
        wanted = ctx.needs_input_grad[2:]
        sources = [
            None if tensor is None else tensor.detach().requires_grad_(need)
            for tensor, need in zip((images, weight, bias), wanted[:3], strict=True)
        ]
        with torch.enable_grad(), ctx.precision.reopened(), at_stage(ctx.stage.index, recomputing=True):
            normalised = normalise(ctx.norm, *sources)  # type: ignore[arg-type]
        activated = normalised.detach().relu_()  # no norm's backward pass reads its output
        inner, kernel_gradient, bias_gradient = _convolution_backward(
            gradient, activated, kernel, conv_bias, ctx.conv, (normalised.requires_grad, *wanted[3:])
        )
        if inner is not None:  # through the ReLU, in place: inner is our own
            torch.ops.aten.threshold_backward.grad_input(inner, activated, 0, grad_input=inner)
        return None, None, *_pull_back(normalised, sources, inner), kernel_gradient, bias_gradient


def _pull_back(output: Tensor, sources: list[Tensor | None], gradient: Tensor | None) -> list[Tensor | None]:
    """Gradients of the sources that want one, None for the others."""
    wanting = [source for source in sources if source is not None and source.requires_grad]
    found = iter(torch.autograd.grad(output, wanting, gradient) if wanting else ())
    return [next(found) if source is not None and source.requires_grad else None for source in sources]


def _convolution_backward(
    gradient: Tensor, images: Tensor, kernel: Tensor, bias: Tensor | None, conv: nn.Conv2d, wanted: tuple[bool, ...]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of a convolution's input, kernel and bias, each in the dtype of what it belongs to.

    The gradient's dtype is that of the convolution's output, hence the one autocast had rounded the operands to.
    """
    inner, outer, summed = torch.ops.aten.convolution_backward(
        gradient,
        images.to(gradient.dtype),
        kernel.to(gradient.dtype),
        None if bias is None else list(bias.shape),
        conv.stride,
        conv.padding,
        conv.dilation,
        False,
        [0] * len(conv.stride),
        conv.groups,
        list(wanted),
    )
    return (
        None if inner is None else inner.to(images.dtype),
        None if outer is None else outer.to(kernel.dtype),
        None if summed is None or bias is None else summed.to(bias.dtype),
    )
