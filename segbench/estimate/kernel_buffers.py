"""What CUDA's kernels ask of the allocator beside their results and give back: no operator shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_aten = torch.ops.aten


def beside_result(function: Any, args: Sequence[Any]) -> tuple[int, ...]:
    """Bytes of each buffer that is alive together with an operator's result.

    Softmax's backward pass multiplies gradient and result first (`softmax_backward_cuda_out` in `SoftMax.cu`); where
    attention is its formula this is one matrix of all pairs of pixels more. Binary cross-entropy of logits has a map of
    log-sigmoids, and one of losses where these are averaged (`Loss.cpp`). Published peaks agree with the former within
    a percent; neither was measured here.
    """
    if function is _aten._softmax_backward_data.default:
        return (args[0].nbytes,)
    if function is _aten.binary_cross_entropy_with_logits.default:
        averaged = len(args) < 5 or args[4] != 0  # the mean is the default, and then not among the arguments
        return (args[0].nbytes,) * (1 + averaged)
    return ()
