"""What cuDNN asks of the allocator for one convolution, by the algorithm that it is expected to choose.

cuDNN chooses by heuristics that are not published. What is known comes from 414 trainings, mostly on V100s with cuDNN
7, whose peaks mmsegmentation publishes (`benchmarks/published_memory.py`). On the 204 of them that no number was fitted
to, allocated bytes without any workspace err by 0.83 % in the median and 85 % are within 5 %; with that of `expected`
by 0.47 %, and 96 % are. Half precision fits best without any. Of cuDNN 8 and 9, and of GPUs after Volta, nothing was
fitted: on them `expected` is a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_aten = torch.ops.aten
_LARGEST_OF_F4 = 2**30
"""cuDNN may ask for more, but PyTorch's heuristics seldom choose such an algorithm; our inference."""


@dataclass(frozen=True)
class Convolution:
    """A convolution in either direction.

    Attributes:
        backward: it finds the gradients of the images and of the weights.
        images, weights, result: `(N, C, H, W)`, `(K, C / groups, h, w)` and `(N, K, H', W')`.
        stride, dilation: by axis.
        groups: of channels.
        transposed: it is a transposed convolution.
        element_bytes: of one number.
    """

    backward: bool
    images: tuple[int, ...]
    weights: tuple[int, ...]
    result: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    element_bytes: int

    @property
    def is_3x3(self) -> bool:
        return self.weights[2:] == (3, 3)

    @property
    def is_plain(self) -> bool:
        """Stride 1, dilation 1, one group, not transposed."""
        steps = {*self.stride, *self.dilation}
        return steps == {1} and not self.transposed and self.groups == 1


def convolution_of(function: Any, args: Sequence[Any], output: Any) -> Convolution | None:
    """The convolution that an operator carries out; None if it is no convolution."""
    if function is _aten.convolution.default:
        images, weights, result, settings = args[0], args[1], output, args[3:]
    elif function is _aten.convolution_backward.default:
        result, images, weights, settings = args[0], args[1], args[2], args[4:]
    else:
        return None
    stride, _padding, dilation, transposed, _output_padding, groups = settings[:6]
    return Convolution(
        backward=function is _aten.convolution_backward.default,
        images=tuple(images.shape),
        weights=tuple(weights.shape),
        result=tuple(result.shape),
        stride=tuple(stride),
        dilation=tuple(dilation),
        groups=groups,
        transposed=transposed,
        element_bytes=images.element_size(),
    )


LEAST_CHANNELS, WHOLE_TILES = 128, 6000
"""Chosen on half of the published trainings (`benchmarks/published_memory.py --fit`)."""


def expected(convolution: Convolution) -> int:
    """Bytes of the algorithm that cuDNN is expected to choose, as far as it takes many."""
    return winograd(convolution, LEAST_CHANNELS, WHOLE_TILES)


def winograd(convolution: Convolution, least: int, whole: int) -> int:
    """Bytes of non-fused Winograd F(2x2, 3x3) for the forward pass of a plain 3x3 convolution in float32; else 0.

    Tiles of 2x2 outputs and the inputs they read are transformed to 4x4 numbers, and so are the 3x3 weights (Lavin and
    Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). Backward passes fit best without any.

    Args:
        least: with fewer channels, read or written, another algorithm is chosen.
        whole: of more tiles the transformed outputs do not count: they seem to be made part by part (our inference,
            from published peaks).
    """
    suits = convolution.is_3x3 and convolution.is_plain and convolution.element_bytes == 4
    if convolution.backward or not suits:
        return 0
    count, channels = convolution.images[:2]
    filters, height, width = convolution.result[1:]
    if min(channels, filters) < least:
        return 0
    tiles = count * -(-height // 2) * -(-width // 2)
    outputs = tiles * filters if tiles <= whole else 0
    return 4 * 16 * (tiles * channels + outputs + channels * filters)


def upper(convolution: Convolution) -> int:
    """Bytes of non-fused Winograd F(4x4, 3x3) for every 3x3 convolution, at most 1 GiB.

    It transforms input and output to 2.25 times and the weights to 4 times their numbers. No bound: 108 of 143
    published peaks lie above a prediction with it.
    """
    if not convolution.is_3x3:
        return 0
    images, weights, result = (
        torch.Size(shape).numel() for shape in (convolution.images, convolution.weights, convolution.result)
    )
    return min(int((2.25 * (images + result) + 4 * weights) * convolution.element_bytes), _LARGEST_OF_F4)
