"""Convolution weights in oneDNN's blocked layout, packed once for all the times a solve uses them.

On a CPU every call of a convolution reorders its weights into the layout of its kernel. Where weights outnumber pixels,
as in SegNode's stream of 384 channels at 1/32 of the image, that takes as long as the products. A solve evaluates the
same f several times: the first evaluation packs, the others find the weights packed. The products are the same; results
agree with those of plain calls up to rounding, where PyTorch would have taken another kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

Packs = dict[tuple[nn.Conv2d, torch.Size], Tensor]

_PACKS: ContextVar[Packs] = ContextVar("packs")


@contextmanager
def packed_weights() -> Iterator[None]:
    """While this is open `convolve` keeps packed weights; nobody may change the weights meanwhile."""
    token = _PACKS.set({})
    try:
        yield
    finally:
        _PACKS.reset(token)


def convolve(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """`conv(images)`, with packed weights where they are open, pay, and no gradient is wanted."""
    packs = _PACKS.get(None)
    if packs is None or not _pays(conv, images):
        return conv(images)  # type: ignore[no-any-return]
    geometry = [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups]
    key = conv, images.shape
    if key not in packs:
        reorder: Callable[..., Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight
        packs[key] = reorder(conv.weight.detach().to_mkldnn(), *geometry, images.shape)
    multiply: Callable[..., Tensor] = torch.mkldnn_convolution
    return multiply(images, packs[key], conv.bias, *geometry)


def _pays(conv: nn.Conv2d, images: Tensor) -> bool:
    return (
        not torch.is_grad_enabled()
        and images.device.type == "cpu"
        and images.dtype == conv.weight.dtype == torch.float32
        and conv.kernel_size != (1, 1)  # those take another path in PyTorch
        and conv.weight.numel() > images.numel()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._is_tracing()  # what counts operations in a trace does not know the packed call
    )
